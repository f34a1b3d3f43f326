"""What a guest's UEFI remembers (boot entries, keys) outlives its machine, beside its root disk.

ESXi keeps it in the machine's folder, in a file that goes with the machine. Before a machine is
destroyed the file is copied to `<root disk>.kept.nvram`, and comes to the next machine before
that is started; it is then the machine's again, so there is one that counts at any time. It goes
with the disk: copied along with it to another pool, and removed with it.
"""

from __future__ import annotations

from uuid import UUID

from drivers.vsphere.client import Vcenter
from drivers.vsphere.inventory import Datacenter, Inventory, Store
from drivers.vsphere.machines import Machine
from drivers.vsphere.notes import Note
from drivers.vsphere.sdk import Managed, vim
from drivers.vsphere.store import Stores
from drivers.vsphere.translate import slot

LAYOUT, CONFIG, FIRMWARE = "layoutEx.file", "config.files.vmPathName", "config.firmware"
ROOT = slot(0)


def kept_path(disk_path: str) -> str:
    """Where that of a root disk lies while no machine has it."""
    return f"{disk_path.removesuffix('.vmdk')}.kept.nvram"


class Firmware:
    """The firmware's memory of one vCenter's guests."""

    def __init__(self, vcenter: Vcenter, inventory: Inventory, stores: Stores) -> None:
        self._vcenter, self._inventory, self._stores = vcenter, inventory, stores

    async def keep(self, machine: Machine, note: Note, at: Datacenter) -> None:
        """Before a machine that is off lets go of its disks; one without UEFI keeps nothing.

        What is kept already is what counts: the machine was never started with it.
        """
        root = next((one.path for one in note.disks.values() if one.slot == ROOT), "")
        own = await self._own(machine.ref) if root else ""
        if not own or await self._is_there(kept_path(root), at):
            return
        if await self._is_there(own, at):
            store, part = await self._inventory.store_of(at, root), f"{kept_path(root)}.part"
            await self._stores.copy_file(store, own, store, part, about=note.guest)
            await self._stores.move_file(store, part, kept_path(root), about=note.guest)

    async def bring(self, ref: Managed, root: str, at: Datacenter, *, about: UUID) -> None:
        """Before a machine is started: what the last one kept, if anything, is its own now."""
        if not await self._is_there(kept_path(root), at):
            return
        store = await self._inventory.store_of(at, root)
        if own := await self._own(ref):
            await self._stores.copy_file(store, kept_path(root), store, own, about=about)
        await self._stores.delete_file(store, kept_path(root), about=about)

    async def along(self, source: Store, path: str, target: Store, to: str, *, about: UUID) -> None:
        """A disk is copied to another pool under its own id: what belongs to it comes along."""
        kept, copy = kept_path(path), kept_path(to)
        if await self._stores.files.exists(source, kept):
            await self._stores.copy_file(source, kept, target, copy, about=about)

    async def _is_there(self, path: str, at: Datacenter) -> bool:
        return await self._stores.files.exists(await self._inventory.store_of(at, path), path)

    async def _own(self, ref: Managed) -> str:
        """The file of a machine that starts by UEFI: ESXi names it, or will, by the machine."""
        found = await self._vcenter.properties(
            vim.VirtualMachine, (LAYOUT, CONFIG, FIRMWARE), start=ref, doing="look at the firmware"
        )
        if not found or found[0].get(FIRMWARE) != "efi":
            return ""
        files = found[0].get(LAYOUT) or ()
        config = str(found[0].get(CONFIG, ""))
        named = next((str(one.name) for one in files if str(one.type) == "nvram"), "")
        return named or f"{config.removesuffix('.vmx')}.nvram"
