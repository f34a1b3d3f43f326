"""The disc that tells a guest what its cloud says of it: ISO 9660, kept on its host.

It holds what only the guest may read (its user data, perhaps a password), so nobody else may: the
file is for its owner alone, and libvirt hands it to the guest's own user. It lies in a folder of
the host's under the guest's id, is written anew at every start, and goes when the guest does.
"""

from __future__ import annotations

import base64
from uuid import UUID

from drivers.contract.errors import Unavailable
from drivers.libvirt.shell import Shell, brought

# The folder is for entering only, as QEMU runs as another user than we do.
FOLDER = 'umask 077; mkdir -p -- "$1" && chmod 711 -- "$1"'
PLACE = """
umask 077
[ "$2" = "$3" ] || cp -- "$2" "$3" || exit 1
chmod 600 -- "$3" && mv -fT -- "$3" "$1"
"""
READ = '[ ! -e "$1" ] || base64 -w0 -- "$1"'


def path_in(folder: str, guest_id: UUID) -> str:
    return f"{folder}/{guest_id}.iso"


async def place(shell: Shell, folder: str, guest_id: UUID, content: bytes) -> None:
    """Put the disc where the guest's drive reads it; a new one takes an old one's place whole."""
    final = path_in(folder, guest_id)
    part = f"{final}.part"
    await _sh(shell, FOLDER, folder)
    async with brought(shell, content, part) as there:
        await _sh(shell, PLACE, final, there, part)


async def read(shell: Shell, folder: str, guest_id: UUID) -> bytes | None:
    """The disc that a guest has on this host, or None."""
    text = await _sh(shell, READ, path_in(folder, guest_id))
    return base64.b64decode(text) if text else None


async def remove(shell: Shell, folder: str, guest_id: UUID) -> None:
    final = path_in(folder, guest_id)
    await _sh(shell, 'rm -f -- "$1"', final)


async def _sh(shell: Shell, script: str, *arguments: str) -> str:
    done = await shell.run("sh", "-uc", script, "sh", *arguments)
    if done.code:
        raise Unavailable(f"config disc {arguments[0]}: {done.complaint}")
    return done.stdout
