"""An operating system's installer as one file: its kernel, its initrd, and the answers it is given.

A tar archive (compressed or not) with `installer.json`, which names the other members:

    {"kernel": "linux", "initrd": "initrd.gz", "answers": "preseed.cfg",
     "cmdline": "auto=true priority=critical url={{answers_url}}"}

In the answers (kickstart, preseed, autoinstall) and the command line `{{name}}` stands for what is
known of one machine. A name that is none is refused when the archive is looked at, and a value that
does not fit a line of answers when a machine is given it; so no value can become an answer of its
own.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from drivers.contract.errors import Refused

TOLD = "installer.json"
TEXT_BYTES_MAX = 256 * 1024
CMDLINE_MAX = 1500
FILE_BYTES_MAX = 2 * 1024**3
NAMES = (
    *("hostname", "uuid", "mac", "root_disk", "ssh_key", "password"),
    *("answers_url", "seed_url", "done_url", "failed_url"),
)
PLACE = re.compile(r"\{\{ *(\w+) *\}\}")
FITS = re.compile(r"[\w .,:;@/+=~-]*")
HEADERS = ("#kickstart", "#preseed", "#_preseed_V1", "#cloud-config")


class Installer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `installer.json` says."""

    kernel: str
    initrd: str
    answers: str
    cmdline: str


def look(path: Path) -> int:
    """How many bytes its kernel and initrd have; Refused says what is wrong with it."""
    try:
        with tarfile.open(path) as archive:
            told = _told(archive)
            _check(told.cmdline, "its command line")
            _check(_text(archive, told.answers), told.answers)
            return sum(_member(archive, one).size for one in (told.kernel, told.initrd))
    except (tarfile.TarError, EOFError, OSError) as wrong:
        raise Refused(f"the image is no tar archive of an installer: {wrong}") from wrong


def unpack(path: Path, folder: Path) -> None:
    """Its parts under names of our own: `kernel`, `initrd`, `answers`, `cmdline`."""
    with tarfile.open(path) as archive:
        told = _told(archive)
        (folder / "cmdline").write_text(told.cmdline)
        (folder / "answers").write_text(_text(archive, told.answers))
        for name, member in (("kernel", told.kernel), ("initrd", told.initrd)):
            source = archive.extractfile(_member(archive, member))
            assert source is not None, "a regular file"
            with source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with a machine's values. Refused: a name is unknown, or a value fits no line."""
    _check(text, "the answers in the user data")
    for name, value in values.items():
        if not FITS.fullmatch(value):
            raise Refused(
                f"the {name} of this machine has characters that cannot stand in an installer's "
                f"answers: {value[:60]!r}; letters, digits and . , : ; @ / + = ~ - _ can"
            )
    return PLACE.sub(lambda found: values.get(found[1], ""), text)


def is_answers(text: str) -> bool:
    """Whether somebody's user data are answers of their own."""
    return text.startswith(HEADERS)


def _told(archive: tarfile.TarFile) -> Installer:
    try:
        told = msgspec.json.decode(_text(archive, TOLD), type=Installer)
    except msgspec.DecodeError as wrong:
        raise Refused(f"{TOLD} in the archive cannot be read: {wrong}") from wrong
    if len(told.cmdline) > CMDLINE_MAX or "\n" in told.cmdline:
        raise Refused(f"the command line in {TOLD} must be one line of {CMDLINE_MAX} at most")
    return told


def _member(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    try:
        found = archive.getmember(name)
    except KeyError:
        raise Refused(f"the archive holds no {name}: put it at its top") from None
    if not found.isfile() or found.size > FILE_BYTES_MAX:
        raise Refused(f"{name} in the archive is no plain file of {FILE_BYTES_MAX} bytes at most")
    return found


def _text(archive: tarfile.TarFile, name: str) -> str:
    found = _member(archive, name)
    if found.size > TEXT_BYTES_MAX:
        raise Refused(f"{name} in the archive has more than {TEXT_BYTES_MAX} bytes")
    source = archive.extractfile(found)
    assert source is not None, "a regular file"
    try:
        with source:
            return source.read().decode()
    except UnicodeDecodeError as wrong:
        raise Refused(f"{name} in the archive is no UTF-8 text") from wrong


def _check(text: str, where: str) -> None:
    unknown = sorted({name for name in PLACE.findall(text) if name not in NAMES})
    if unknown:
        raise Refused(f"{{{{{unknown[0]}}}}} in {where} is none of {', '.join(NAMES)}")
