"""An appliance comes from a stranger: what it may say, and what becomes of one that lies."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from aggregates.appliance import Appliance, Property, images_of_part, part_id
from aggregates.errors import Invalid
from drivers.contract.errors import Refused
from drivers.kit import ovf, tar
from engine import appliances
from tests.images.conftest import Site
from tests.images.files import HEAD, descriptor, packed
from tests.images.test_forms import files as kept
from tests.images.test_zones import ready
from tests.tenant.world import ZONE, Place

MIB = 2**20
# The header of a VMDK that holds its own data: 2048 sectors.
DISK = (b"KDMV" + bytes(8) + (2048).to_bytes(8, "little")).ljust(1024, b"\1")


def looked(folder: Path, content: bytes) -> Appliance:
    path = folder / "a.ova"
    path.write_bytes(content)
    return appliances.look(str(path))


def described(tmp_path: Path, **more: str) -> Appliance:
    return looked(tmp_path, packed({"a.ovf": descriptor("d.vmdk", **more), "d.vmdk": DISK}))


# ---- the tar -------------------------------------------------------------------------------

NAMES = some.text("abcxyz0189._- ", min_size=1, max_size=150).filter(lambda one: one.strip(". "))
CONTENT = some.dictionaries(NAMES, some.binary(max_size=2000), max_size=5)
KINDS = some.sampled_from((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))


@settings(max_examples=40)
@given(CONTENT, KINDS)
def test_a_tar_is_read_as_pythons_own_reader_does(content: dict[str, bytes], kind: int) -> None:
    short = {name: data for name, data in content.items() if len(name) <= 100}
    data = packed(short if kind == tarfile.USTAR_FORMAT else content, kind=kind)
    found = {
        one.name: data[one.offset : one.offset + one.size_bytes]
        for one in tar.index(io.BytesIO(data))
    }
    assert found == (short if kind == tarfile.USTAR_FORMAT else content)


@settings(max_examples=40)
@given(some.binary(max_size=3000), some.integers(0, 2000), some.binary(min_size=1, max_size=40))
def test_whatever_bytes_come_they_are_an_appliance_or_refused(
    noise: bytes, at: int, change: bytes
) -> None:
    """Noise, and a good tar with something written over it: never another error."""
    good = packed({"a.ovf": descriptor("d.vmdk"), "d.vmdk": DISK})
    for data in (noise, good[:at] + change + good[at + len(change) :]):
        try:
            tar.index(io.BytesIO(data))
        except Refused:
            continue


@settings(max_examples=40)
@given(some.text(max_size=300), some.integers(0, 1500))
def test_whatever_a_descriptor_says_it_is_understood_or_refused(noise: str, at: int) -> None:
    good = descriptor("d.vmdk").decode()
    for text in (noise, good[:at] + noise + good[at:]):
        try:
            root = ovf.parse(text.encode())
        except Refused:
            continue
        try:
            appliances.understand(ovf.Package(root, (), (), {}))
        except Refused:
            continue


def special(kind: bytes, name: str, linked: str = "") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, linked
        archive.addfile(entry)
    return made.getvalue()


def twice() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.ovf"))
    return made.getvalue()


def bomb() -> bytes:
    """Ten entities, each ten of the one before."""
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE Envelope [<!ENTITY e0 "lol">{lines}]>'
    return descriptor("d.vmdk").replace(b"?>\n", b"?>\n" + text.encode(), 1)


def outside() -> bytes:
    text = '<!DOCTYPE Envelope [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    return descriptor("d.vmdk").replace(b"?>\n", b"?>\n" + text.encode(), 1)


def ova(text: bytes, **more: bytes) -> Callable[[], bytes]:
    return lambda: packed({"a.ovf": text, "d.vmdk": DISK, **more})


GOOD = descriptor("d.vmdk")
WHOLE = packed({"a.ovf": GOOD, "d.vmdk": DISK})
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is no tar"),
    "no tar": (lambda: b"MZ" * 4096, "is no tar"),
    "compressed": (lambda: b"\x1f\x8b" + bytes(4096), "is no tar"),
    "cut off": (lambda: WHOLE[: WHOLE.index(DISK) + 600], "cut off"),
    "a path that climbs": (lambda: packed({"a.ovf": GOOD, "../d.vmdk": DISK}), "leads out of it"),
    "a path from the top": (lambda: packed({"a.ovf": GOOD, "/etc/cron": DISK}), "leads out of it"),
    "a link": (lambda: special(tarfile.SYMTYPE, "d.vmdk", "/etc/shadow"), "links and devices"),
    "a hard link": (lambda: special(tarfile.LNKTYPE, "d.vmdk", "a.ovf"), "links and devices"),
    "a device": (lambda: special(tarfile.CHRTYPE, "d.vmdk"), "links and devices"),
    "a name twice": (twice, "twice"),
    "no descriptor": (lambda: packed({"d.vmdk": DISK}), "holds 0 descriptors"),
    "two": (lambda: packed({"a.ovf": GOOD, "b.ovf": GOOD}), "holds 2 descriptors"),
    "a long descriptor": (ova(b"<a/>" + b" " * (4 * MIB)), "no descriptor is that large"),
    "no XML": (ova(b"<Envelope"), "is no XML"),
    "another XML": (ova(b"<Other/>"), "not an OVF Envelope"),
    "entities": (ova(bomb()), "declares a document type"),
    "a file from outside": (ova(outside()), "declares a document type"),
    "deep": (ova(HEAD.encode() + b"<a>" * 70 + b"</a>" * 70 + b"</Envelope>"), "larger than any"),
    "wide": (ova(HEAD.encode() + b"<a/>" * 60_000 + b"</Envelope>"), "larger than any"),
    "no disk": (ova(descriptor()), "declares a disk"),
    "many disks": (ova(descriptor(*["d.vmdk"] * 16)), "has 16 disks: a guest has 15"),
    "a blank root": (ova(descriptor("", "d.vmdk")), "is blank"),
    "a missing disk": (ova(descriptor("e.vmdk")), "lacks its file e.vmdk"),
    "a disk that is none": (
        lambda: packed({"a.ovf": GOOD, "d.vmdk": b"# Disk DescriptorFile\n".ljust(1024)}),
        "no VMDK that holds its own data",
    ),
    "in pieces": (ova(GOOD.replace(b"o:id=", b'o:chunkSize="7" o:id=', 1)), "in pieces"),
    "a delta": (ova(GOOD.replace(b"o:diskId=", b'o:parentRef="x" o:diskId=', 1)), "flattened"),
    "two machines": (
        ova(GOOD.replace(b"</Envelope>", b'<VirtualSystem o:id="b"/></Envelope>')),
        "has 2 machines",
    ),
    "a wrong sum": (
        ova(GOOD, **{"a.mf": b"SHA256(d.vmdk)= 00ff\nSHA256(a.ovf)= 00\n"}),
        "damaged: its sha256",
    ),
    "no sum": (ova(GOOD, **{"a.mf": b"SHA256(a.ovf)= 00ff\n"}), "has no sum of d.vmdk"),
    "no sums": (ova(GOOD, **{"a.mf": b"hello"}), "has no sums"),
    "a sum of nothing": (ova(GOOD, **{"a.mf": b"SHA1(e.vmdk)= 00\n"}), "lacks its file e.vmdk"),
    "a property twice": (
        ova(descriptor("d.vmdk", system='<ProductSection><Property o:key="a"/>'
                       '<Property o:key="a"/></ProductSection>')),
        "property 'a' twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_appliance_is_refused_with_what_is_wrong(tmp_path: Path, what: str) -> None:
    make, why = HOSTILE[what]
    with pytest.raises(Refused, match=why):
        looked(tmp_path, make())
    assert [one.name for one in tmp_path.iterdir()] == ["a.ova"], "nothing was unpacked"


def test_an_extension_that_would_fill_the_memory_is_not_read() -> None:
    entry = tarfile.TarInfo("a")
    entry.type, entry.size = b"x", 8 * 2**30
    with pytest.raises(Refused, match="too long"):
        tar.index(io.BytesIO(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))


async def test_the_template_says_what_is_wrong(here: Place, site: Site) -> None:
    """It is registered at once, and its status tells why no guest can be made of it."""
    url = site.offer("bad.ova", packed({"a.ovf": bomb(), "d.vmdk": DISK}))
    ask: dict[str, Any] = {"name": "bad", "hypervisor": "KVM", "format": "OVA", "url": url}
    made = await here.admin("registerTemplate", **ask, zoneid=str(ZONE))
    row = await ready(here.admin, "template", made["template"][0]["id"], str(ZONE))
    assert not row["isready"] and "take the DOCTYPE out" in row["status"], row
    assert kept(here) == []


# ---- disks ---------------------------------------------------------------------------------


def test_disks_come_as_the_hardware_has_them(tmp_path: Path) -> None:
    """The order of places on the controller, not of the list; a blank one has a size only."""
    text = descriptor("b.vmdk", "a.vmdk", "")
    swapped = (
        text.replace(b"AddressOnParent>0<", b"AddressOnParent>9<")
        .replace(b"AddressOnParent>1<", b"AddressOnParent>0<")
    )  # fmt: skip
    files = {"a.ovf": swapped, "b.vmdk": DISK, "a.vmdk": DISK}
    seen = looked(tmp_path, packed(files, sums="SHA512"))
    assert [(one.file, one.size_bytes) for one in seen.disks] == [
        ("a.vmdk", MIB), ("", 2 * MIB), ("b.vmdk", MIB),
    ]  # fmt: skip
    target = tmp_path / "out"
    ovf.extract(str(tmp_path / "a.ova"), 2, str(target))
    assert target.read_bytes() == DISK
    with pytest.raises(Refused, match="no disk 1 to be copied"):
        ovf.extract(str(tmp_path / "a.ova"), 1, str(target))


@settings(max_examples=40)
@given(some.uuids(), some.integers(0, 15))
def test_an_image_is_found_again_by_any_of_its_parts(image_id: Any, part: int) -> None:
    assert image_id in images_of_part(part_id(image_id, part))
    assert images_of_part(image_id)[0] == image_id


# ---- words ---------------------------------------------------------------------------------


def test_texts_are_in_the_first_language(tmp_path: Path) -> None:
    strings = '<Strings xml:lang="en"><Msg o:msgid="a">Address</Msg></Strings>'
    strings += '<Strings xml:lang="de"><Msg o:msgid="a">Adresse</Msg></Strings>'
    one = '<Property o:key="ip"><Label o:msgid="a">x</Label></Property>'
    seen = described(tmp_path, sections=strings, system=f"<ProductSection>{one}</ProductSection>")
    assert seen.properties[0].label == "Address"


def test_a_configuration_has_defaults_of_its_own(tmp_path: Path) -> None:
    sections = (
        '<DeploymentOptionSection><Configuration o:id="s"/><Configuration o:id="l" '
        'o:default="true"/></DeploymentOptionSection>'
    )
    one = (
        '<Property o:key="n" o:type="uint8" o:userConfigurable="true" o:value="1">'
        '<Value o:value="9" o:configuration="l"/></Property>'
    )
    seen = described(tmp_path, sections=sections, system=f"<ProductSection>{one}</ProductSection>")
    assert seen.deploy({}, "s")[0].told[0].value == "1"
    assert seen.deploy({})[0].told[0].value == "9", "the default one"
    with pytest.raises(Invalid, match="no configuration x: give one of s, l"):
        seen.deploy({}, "x")


def test_keys_that_two_parts_share_are_told_with_their_class(tmp_path: Path) -> None:
    one = '<Property o:key="ip" o:userConfigurable="true"/>'
    system = "".join(f'<ProductSection o:class="{c}">{one}</ProductSection>' for c in "ab")
    seen = described(tmp_path, system=system)
    deployed, _ = seen.deploy({"a.ip": "1", "b.ip": "2"})
    assert [(told.name, told.value) for told in deployed.told] == [("a.ip", "1"), ("b.ip", "2")]
    with pytest.raises(Invalid, match="no property ip"):
        seen.deploy({"ip": "1"})


def test_a_password_has_no_default_and_is_apart(tmp_path: Path) -> None:
    """Everybody can read the descriptor, so what is in it is no secret."""
    one = (
        '<Property o:key="p" o:type="password" o:userConfigurable="true" o:value="admin" '
        'o:qualifiers="MinLen(8)"/>'
    )
    seen = described(tmp_path, system=f"<ProductSection>{one}</ProductSection>")
    with pytest.raises(Invalid, match=r"property p .* must be given"):
        seen.deploy({})
    with pytest.raises(Invalid) as short:
        seen.deploy({"p": "1234567"})
    assert "1234567" not in str(short.value), "a refusal tells no password"
    deployed, secrets = seen.deploy({"p": "12345678"})
    assert secrets == {"p": "12345678"} and deployed.is_sealed
    assert deployed.told[0].value == ""


def prop(kind: str, qualifiers: str = "") -> Property:
    return Property(key="k", name="k", type=kind, qualifiers=qualifiers, is_configurable=True)


@given(some.integers(-(2**70), 2**70), some.sampled_from((8, 16, 32, 64)), some.booleans())
def test_whole_numbers_fit_their_type(number: int, bits: int, signed: bool) -> None:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    wrong = prop(f"{'s' if signed else 'u'}int{bits}").wrong(str(number))
    assert (wrong == "") == (low <= number <= high)


@given(some.text(max_size=12), some.integers(0, 6), some.integers(0, 12))
def test_words_are_as_long_as_they_may_be(value: str, least: int, most: int) -> None:
    wrong = prop("string", f"MinLen({least}) MaxLen({most})").wrong(value)
    assert (wrong == "") == (least <= len(value) <= most and "\0" not in value)


WORDS = some.text(
    some.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8
)  # fmt: skip


@given(some.lists(WORDS, min_size=1, max_size=5, unique=True), WORDS)
def test_only_what_a_map_lists_is_taken(words: list[str], other: str) -> None:
    def quoted(word: str) -> str:
        return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'

    one = prop("string", f"ValueMap{{{', '.join(map(quoted, words))}}}")
    assert all(one.wrong(word) == "" for word in words)
    assert (one.wrong(other) == "") == (other in words)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("boolean", ["True", "false"], ["yes", "", "1"]),
        ("real32", ["1", "-1.5", "2e9"], ["", "nan", "1,5"]),
        ("ip", ["192.0.2.7", "fd00::1", ""], ["192.0.2.256", "host", "1.2.3"]),
        ("ip(net)", ["192.0.2.7"], ["net"]),
        ("uint8", ["0", "255"], ["256", "-1", "", "1.0", "\u0663"]),
        ("string", ["", "anything"], ["a\0b"]),
    ],
)
def test_values_are_of_their_type(kind: str, good: list[str], bad: list[str]) -> None:
    assert [one for one in good if prop(kind).wrong(one)] == []
    assert [one for one in bad if not prop(kind).wrong(one)] == []
