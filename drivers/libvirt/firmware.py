"""What a guest's firmware and TPM remember is kept in a folder of its root disk's pool.

UEFI writes its settings straight into `<disk>.fd` there, as QEMU has that file open. An emulated
TPM writes into a folder of libvirt's on the host (`swtpm_dir`); from there it goes into
`<disk>.tpm`, an archive, once it has been made and whenever the guest leaves the host. Which
archive a guest's TPM belongs to is noted beside its config disc, for a guest that is only cleared
away. Both go with the disk: copied along with it, and removed with it.
"""

from __future__ import annotations

from uuid import UUID

from drivers.contract.compute import GuestSpec
from drivers.contract.errors import Unavailable
from drivers.libvirt.hardware import KEPT, kept_beside, nvram_path, root_path
from drivers.libvirt.shell import Shell

# State folder, archive, note. What ran here last and was not cleared away is the newer one.
BRING = """
mkdir -p -- "${2%/*}" "${3%/*}" && printf %s "$2" >"$3.part" && mv -T -- "$3.part" "$3" || exit 1
[ -e "$2" ] || exit 0
if [ -d "$1" ] && [ -n "$(find "$1" -type f -newer "$2")" ]; then exit 0; fi
rm -rf -- "$1" && mkdir -p -- "$1" && tar -C "$1" --numeric-owner -xpf "$2"
"""
KEEP = """
[ -e "$2" ] && [ -d "$1" ] || exit 0
to=$(cat -- "$2")
[ -d "${to%/*}" ] || exit 0
tar -C "$1" --numeric-owner -cf "$to.part" . && sync -- "$to.part" && mv -T -- "$to.part" "$to"
"""
CLEAR = f'({KEEP}) || exit 1\nrm -rf -- "$1" && rm -f -- "$2"'
MAKE = 'mkdir -p -- "${1%/*}"'
# Folder of the old pool, of the new one, and the disk's id.
ALONG = f"""
for one in "$1/{KEPT}/$3".*; do
  [ -f "$one" ] || continue
  mkdir -p -- "$2/{KEPT}" && cp -p --sparse=always -- "$one" "$2/{KEPT}/.$3.part" || exit 1
  sync -- "$2/{KEPT}/.$3.part" && mv -T -- "$2/{KEPT}/.$3.part" "$2/{KEPT}/${{one##*/}}" || exit 1
done
"""


class Firmware:
    """What is kept for the guests of one host."""

    def __init__(self, shell: Shell, *, swtpm_dir: str, note_dir: str) -> None:
        self._shell, self._swtpm_dir, self._note_dir = shell, swtpm_dir, note_dir

    async def ready(self, spec: GuestSpec) -> None:
        """Before a start: what the guest's firmware and TPM knew is where they look for it."""
        if nvram := nvram_path(spec):
            await self._sh(MAKE, nvram)
        if spec.hardware.tpm:
            archive = kept_beside(root_path(spec), "tpm")
            await self._sh(BRING, self._state(spec.guest_id), archive, self._note(spec.guest_id))

    async def keep(self, guest_id: UUID) -> None:
        """Bring what a guest's TPM knows into its pool."""
        await self._sh(KEEP, self._state(guest_id), self._note(guest_id))

    async def clear(self, guest_id: UUID) -> None:
        """The guest is gone from this host: keep what its TPM knows in its pool alone."""
        await self._sh(CLEAR, self._state(guest_id), self._note(guest_id))

    async def note(self, guest_id: UUID) -> str:
        """Where its TPM is kept; empty if it has none."""
        return await self._sh('[ ! -e "$1" ] || cat -- "$1"', self._note(guest_id))

    async def follow(self, guest_id: UUID, archive: str) -> None:
        """Keep its TPM with this archive from now on."""
        words = 'mkdir -p -- "${1%/*}" "${2%/*}" && printf %s "$1" >"$2"'
        await self._sh(words, archive, self._note(guest_id))

    async def room_beside(self, disk_path: str) -> None:
        """Before a guest comes with this disk: its firmware has a folder to write to."""
        await self._sh(MAKE, kept_beside(disk_path, "fd"))

    async def forget(self, guest_id: UUID) -> None:
        """The guest went on to another host with all that its TPM knows: keep nothing of it."""
        await self._sh(
            'rm -rf -- "$1" && rm -f -- "$2"', self._state(guest_id), self._note(guest_id)
        )

    async def along(self, old_folder: str, new_folder: str, volume_id: UUID) -> None:
        """Copy what belongs to a disk to the pool that the disk was copied to."""
        await self._sh(ALONG, old_folder, new_folder, str(volume_id))

    def _state(self, guest_id: UUID) -> str:
        return f"{self._swtpm_dir}/{guest_id}"

    def _note(self, guest_id: UUID) -> str:
        return f"{self._note_dir}/{guest_id}.tpm"

    async def _sh(self, script: str, *arguments: str) -> str:
        done = await self._shell.run("sh", "-uc", script, "sh", *arguments)
        if done.code:
            raise Unavailable(f"firmware's memory {arguments[0]}: {done.complaint}")
        return done.stdout
