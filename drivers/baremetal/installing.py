"""An installer that runs on a machine: what it is given, and how it is heard of.

Everything that it fetches is under a token of this installation, given to the machine's own address
alone where our DHCP gave it one. It ends when it says so (`done`, `failed`), when it turns the
machine off, or when the machine comes back to boot after it had its answers.
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

import msgspec
from aiohttp import web

from drivers.contract.compute import GuestSpec
from drivers.kit import installer

REASON_MAX = 400


class Installing(msgspec.Struct):
    """One installation, as it lies on the machine's card. `came`: the boot script was given."""

    token: str
    folder: str
    answers: str
    cmdline: str
    came: bool = False
    fetched: bool = False
    done: bool = False
    returned: bool = False
    failed: str = ""

    @property
    def is_over(self) -> bool:
        return self.done or self.returned or bool(self.failed)

    def script(self, url: str, *, uefi: bool) -> str:
        """What iPXE is told."""
        at = f"{url}/install/{self.token}"
        initrd = "initrd=initrd " if uefi else ""
        return f"#!ipxe\nkernel {at}/kernel {initrd}{self.cmdline}\ninitrd {at}/initrd\nboot\n"


def prepared(spec: GuestSpec, folder: Path, url: str, *, mac: str, root_disk: str) -> Installing:
    """An installation with its answers, filled in for this machine and guest.

    Refused: the answers name what is not there, or a value cannot stand in them.
    """
    token = secrets.token_urlsafe(18)
    at = f"{url}/install/{token}"
    files = dict(spec.config)
    keys = files.get("cloudstack/metadata/public-keys.txt", b"").decode().splitlines()
    values = {
        "hostname": spec.name,
        "uuid": str(spec.guest_id),
        "mac": mac,
        "root_disk": root_disk,
        "ssh_key": keys[0] if keys else "",
        "password": files.get("cloudstack/password/vm_password.txt", b"").decode(),
        "answers_url": f"{at}/answers",
        "seed_url": f"{at}/",
        "done_url": f"{at}/done",
        "failed_url": f"{at}/failed",
    }
    own = _user_data(spec)
    text = own if installer.is_answers(own) else (folder / "answers").read_text()
    return Installing(
        token=token,
        folder=str(folder),
        answers=installer.fill(text, values),
        cmdline=installer.fill((folder / "cmdline").read_text(), values).strip(),
    )


def _user_data(spec: GuestSpec) -> str:
    try:
        return base64.b64decode(spec.user_data, validate=True).decode()
    except ValueError:
        return spec.user_data


def answer(one: Installing, what: str, *, name: str, said: str) -> web.StreamResponse:
    """What an installer fetches or says."""
    if what in ("kernel", "initrd"):
        return web.FileResponse(Path(one.folder) / what)
    if what in ("answers", "user-data"):
        one.fetched = True
        return web.Response(text=one.answers)
    if what == "meta-data":  # With user-data a seed as cloud-init's NoCloud has it.
        return web.Response(text=json.dumps({"instance-id": one.token, "local-hostname": name}))
    if what == "done":
        one.done = True
    elif what == "failed":
        one.failed = "".join(c if c.isprintable() else " " for c in said)[:REASON_MAX].strip()
        one.failed = one.failed or "it does not say why"
    else:
        raise web.HTTPNotFound
    return web.Response(text="ok\n")
