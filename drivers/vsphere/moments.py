"""Snapshots of machines, as vSphere keeps them: a tree for each machine, found by their names."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from drivers.contract.errors import Refused
from drivers.vsphere.client import Vcenter
from drivers.vsphere.inventory import Datacenter, Inventory
from drivers.vsphere.sdk import Managed, vim
from drivers.vsphere.tasks import Tasks


class Moments:
    """The snapshots of one vCenter's machines."""

    def __init__(self, vcenter: Vcenter, tasks: Tasks, inventory: Inventory) -> None:
        self._vcenter, self._tasks, self._inventory = vcenter, tasks, inventory

    async def all_of(self, machine: Managed) -> dict[str, Managed]:
        """Every snapshot of a machine by its name."""
        found = await self._vcenter.properties(
            vim.VirtualMachine, ("snapshot",), start=machine, doing="look at the snapshots"
        )
        info = found[0].get("snapshot") if found else None
        return dict(_walk(info.rootSnapshotList)) if info is not None else {}

    async def find(self, machine: Managed, name: str) -> Managed | None:
        return (await self.all_of(machine)).get(name)

    async def keep(self, machine: Managed, name: str, *, with_memory: bool, about: UUID) -> Managed:
        return await self._tasks.run(
            lambda: machine.CreateSnapshot_Task(
                name, "kept by the cloud controller", with_memory, False
            ),
            about=about, doing=f"keep snapshot {name}", timeout_s=self._vcenter.settings.image_s,
        )  # fmt: skip

    async def revert(self, moment: Managed, *, runs: bool, about: UUID) -> None:
        await self._tasks.run(
            lambda: moment.RevertToSnapshot_Task(suppressPowerOn=not runs),
            about=about, doing="go back to a snapshot", timeout_s=self._vcenter.settings.image_s,
        )  # fmt: skip

    async def forget(self, moment: Managed, *, about: UUID) -> None:
        """Merge it away; gone already is well."""
        try:
            await self._tasks.run(
                lambda: moment.RemoveSnapshot_Task(removeChildren=False, consolidate=True),
                about=about, doing="forget a snapshot", timeout_s=self._vcenter.settings.image_s,
            )  # fmt: skip
        except Refused as error:
            if not isinstance(error.__cause__, vim.fault.NotFound):
                raise

    async def forget_named(self, datacenter: Datacenter, name: str) -> None:
        """Whatever machine has a snapshot of this name: what a crash left half done."""
        noted = await self._inventory.noted(datacenter)
        found = await self._vcenter.properties(
            vim.VirtualMachine, ("snapshot",), start=[one.ref for one, _ in noted],
            doing=f"look for snapshot {name}",
        )  # fmt: skip
        for one in found:
            info = one.get("snapshot")
            for label, moment in _walk(info.rootSnapshotList) if info is not None else ():
                if label == name:
                    await self.forget(moment, about=UUID(int=0))


def _walk(trees: list[Managed]) -> Iterator[tuple[str, Managed]]:
    for tree in trees or ():
        yield str(tree.name), tree.snapshot
        yield from _walk(tree.childSnapshotList)
