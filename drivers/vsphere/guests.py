"""The life of a guest: a machine is made at its start, and is gone when the guest is removed.

The machine is known by its instance UUID, which is the guest's id, and by the note on it. What is
there decides: each verb looks first, and finishes what was begun. A machine that holds snapshots
of its guest is parked instead of removed: it is off, nobody's guest, and taken up again at the
next start, on whichever host that is.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec

from drivers.contract.compute import DiskAttachment, GuestSpec, GuestStatus, Power
from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.hardware import Hardware
from drivers.kit import discs
from drivers.vsphere import translate
from drivers.vsphere.client import Vcenter
from drivers.vsphere.disks import Disks
from drivers.vsphere.firmware import Firmware
from drivers.vsphere.inventory import Esx, Inventory, Store
from drivers.vsphere.machines import SEEN, Machine, disc_of
from drivers.vsphere.moments import Moments
from drivers.vsphere.notes import Note
from drivers.vsphere.sdk import Managed, vim, vmodl
from drivers.vsphere.tasks import Tasks

MIB = 1024**2


class Guests:
    """The guests of one host."""

    def __init__(
        self,
        vcenter: Vcenter,
        tasks: Tasks,
        inventory: Inventory,
        disks: Disks,
        moments: Moments,
        firmware: Firmware,
        esx: Esx,
    ) -> None:
        self.vcenter, self.tasks, self.inventory = vcenter, tasks, inventory
        self.disks, self.moments, self.firmware, self.esx = disks, moments, firmware, esx

    async def find(self, guest_id: UUID) -> Machine | None:
        """A guest's machine, if it is on this host and not parked."""
        machine = await self.anywhere(guest_id)
        if machine is None or machine.host != self.esx.ref._moId or _is_parked(machine):
            return None
        return machine

    async def anywhere(self, guest_id: UUID) -> Machine | None:
        machine = await self.inventory.machine(guest_id, self.esx.datacenter)
        return machine if machine is not None and machine.note is not None else None

    async def settled(self, guest_id: UUID) -> Machine | None:
        """The machine wherever it is, once no task of another controller changes it any more."""
        machine = await self.anywhere(guest_id)
        if machine is None or not await self.tasks.settled_at(machine.ref, guest_id):
            return machine
        return await self.anywhere(guest_id)

    async def running(self, guest_id: UUID, *, verb: str) -> Machine:
        machine = await self.find(guest_id)
        if machine is None or machine.power is not Power.RUNNING:
            raise Refused(f"guest {guest_id} does not run on {self.esx.name}: no {verb}")
        return machine

    async def machines(self) -> list[Machine]:
        """Every machine of this host in one question; templates and parked ones are no guests."""
        found = await self.vcenter.properties(
            vim.VirtualMachine, SEEN, start=self.esx.ref,
            along=((vim.HostSystem, "vm"),), doing=f"list the machines of {self.esx.name}",
        )  # fmt: skip
        seen = [Machine(one.ref, one) for one in found]
        return [one for one in seen if not one.is_template and not _is_parked(one)]

    async def start(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        async with self.tasks.turn(spec.guest_id):
            machine = await self.settled(spec.guest_id)
            if machine is not None and machine.power is not Power.OFF and not _is_parked(machine):
                if machine.host == self.esx.ref._moId:
                    return machine.status()
                raise Unavailable(f"guest {spec.guest_id} runs on another host of this vCenter")
            await self._fits(spec)
            if machine is None:
                ref = await self._create(spec, key)
            else:
                ref = await self._take_up(machine, spec, key)
            try:
                await self._power_on(ref, spec)
            except (Refused, Unavailable):
                await self._clear_away(spec.guest_id)
                raise
            there = await self.find(spec.guest_id)
        if there is None:
            raise Unavailable(f"guest {spec.guest_id} is not seen on {self.esx.name} yet")
        return there.status()

    async def _clear_away(self, guest_id: UUID) -> None:
        with suppress(DriverError):
            if (machine := await self.find(guest_id)) is not None:
                await self._take_away(machine)

    async def _fits(self, spec: GuestSpec) -> None:
        """Refuse what not even the empty host could hold, and what vSphere decides by itself."""
        if spec.hardware != Hardware():
            raise Refused(
                f"guest {spec.name}: processor models, pinned cores, huge pages, devices and TPMs "
                "are not given here: vSphere chooses them by itself"
            )
        found = await self.vcenter.properties(
            vim.HostSystem, ("hardware.memorySize", "hardware.cpuInfo.numCpuThreads"),
            start=self.esx.ref, doing=f"look at host {self.esx.name}",
        )  # fmt: skip
        memory = int(found[0].get("hardware.memorySize", 0)) if found else 0
        threads = int(found[0].get("hardware.cpuInfo.numCpuThreads", 0)) if found else 0
        if spec.memory_mib * MIB > memory or spec.cpu_count > threads:
            raise Refused(
                f"guest {spec.name} wants {spec.cpu_count} cores and {spec.memory_mib} MiB: host "
                f"{self.esx.name} has {threads} and {memory // MIB}"
            )

    async def create_parked(self, spec: GuestSpec, key: UUID) -> Managed:
        """A machine that never runs, to hold snapshots of a guest that is off."""
        return await self._create(spec, key, parked=True)

    async def _create(self, spec: GuestSpec, key: UUID, *, parked: bool = False) -> Managed:
        config = await self._config(spec, key)
        if parked:
            note = msgspec.structs.replace(translate.note_of(spec, key, ()), parked=True)
            config.extraConfig = translate.extra(note)
        folder = await self.inventory.folder(self.esx.datacenter, dict(spec.labels))
        doing = f"make guest {spec.name} ({spec.guest_id})"
        try:
            return await self.tasks.run(
                lambda: folder.CreateVM_Task(config, self.esx.resources, self.esx.ref),
                about=spec.guest_id, doing=doing,
            )  # fmt: skip
        except Refused as error:
            if isinstance(error.__cause__, vim.fault.DuplicateName):
                raise Unavailable(f"{doing}: another controller is just making it") from error
            raise

    async def _config(self, spec: GuestSpec, key: UUID) -> Any:
        files = await self.files(spec.disks)
        networks = [await self.inventory.network(self.esx, nic) for nic in spec.nics]
        home = _home(spec)
        config_disc = await self._config_disc(spec)
        note = translate.note_of(spec, key, spec.nics)
        return translate.config(spec, note, files, networks, home=home, config_disc=config_disc)

    async def files(self, disks: tuple[DiskAttachment, ...]) -> dict[UUID, tuple[str, int]]:
        """Where each disk is and how large. Refused: one is not there."""
        found = {}
        for disk in disks:
            store = await self._store_of(disk.path)
            if disk.is_cdrom:
                continue
            size = await self.disks.stores.files.capacity(store, disk.path)
            if size is None:
                raise Refused(f"disk {disk.volume_id} is not there: {disk.path}")
            found[disk.volume_id] = (disk.path, size)
        return found

    async def _store_of(self, path: str) -> Store:
        return await self.inventory.store_of(self.esx.datacenter, path)

    async def _config_disc(self, spec: GuestSpec) -> str:
        """The disc of the guest's own, beside its root disk; it is written anew at each start."""
        if not spec.config:
            return ""
        path = _disc_path(_home(spec), spec.guest_id)
        store = await self._store_of(path)
        folder = path.rsplit("/", 1)[0]
        await self.disks.stores.make_folder(store, folder)
        disc = await asyncio.to_thread(discs.image, spec.config)
        await self.disks.stores.files.put_text(store, path, disc)
        return path

    async def _take_up(self, machine: Machine, spec: GuestSpec, key: UUID) -> Managed:
        """Let a machine that is there, and off, be as the specification says."""
        note = machine.note
        assert note is not None
        await self.bring_back(machine)
        if machine.host != self.esx.ref._moId:
            where = vim.vm.RelocateSpec(host=self.esx.ref, pool=self.esx.resources)
            await self.tasks.run(
                lambda: machine.ref.RelocateVM_Task(where),
                about=spec.guest_id, doing=f"bring guest {spec.name} to {self.esx.name}",
            )  # fmt: skip
        config = await self._config(spec, key)
        if spec.appliance is not None and (has := await self._told(machine.ref)):
            config.vAppConfig = translate.environment(spec.appliance, has)
        wanted = translate.note_of(spec, key, spec.nics)
        held = {disk.slot: disk for disk in machine.disks}
        keeps = {
            volume_id: one
            for volume_id, one in note.disks.items()
            if wanted.disks.get(volume_id) == one and one.slot in held
        }
        old = [translate.removed(nic) for nic in machine.nics]
        old += [translate.removed(drive) for drive in machine.drives]
        kept_slots = {one.slot for one in keeps.values()}
        old += [
            translate.removed(one.device) for one in machine.disks if one.slot not in kept_slots
        ]
        fresh = [
            change
            for change in config.deviceChange
            if not isinstance(change.device, vim.vm.device.VirtualController)
            and not (
                isinstance(change.device, vim.vm.device.VirtualDisk)
                and f"{change.device.controllerKey}:{change.device.unitNumber}" in kept_slots
            )
        ]
        config.files = config.instanceUuid = config.uuid = None
        drop = vim.vm.ConfigSpec(deviceChange=old)
        about, doing = spec.guest_id, f"take up guest {spec.name}"
        if old:
            await self.tasks.run(
                lambda: machine.ref.ReconfigVM_Task(drop), about=about, doing=doing
            )
        config.deviceChange = fresh
        await self.tasks.run(lambda: machine.ref.ReconfigVM_Task(config), about=about, doing=doing)
        return machine.ref

    async def _told(self, ref: Managed) -> list[int]:
        """The keys of the properties that a machine has."""
        found = await self.vcenter.properties(
            vim.VirtualMachine, ("config.vAppConfig",), start=ref, doing="look at vApp options"
        )
        config = found[0].get("config.vAppConfig") if found else None
        return [one.key for one in config.property or ()] if config is not None else []

    async def _power_on(self, ref: Managed, spec: GuestSpec) -> None:
        doing, about = f"start guest {spec.name} ({spec.guest_id})", spec.guest_id
        if spec.boot.startswith("uefi"):
            root = _root(spec).path
            await self.firmware.bring(ref, root, self.esx.datacenter, about=about)
        try:
            await self.tasks.run(lambda: ref.PowerOnVM_Task(self.esx.ref), about=about, doing=doing)
        except Refused as error:
            if not isinstance(error.__cause__, vim.fault.InvalidPowerState):
                raise

    async def stop(self, guest_id: UUID, *, grace_s: float) -> None:
        """Ask the guest, if its tools run, and wait; then cut its power."""
        async with self.tasks.turn(guest_id):
            machine = await self.find(guest_id)
            if machine is None or machine.power is Power.OFF:
                return
            asked = grace_s > 0 and await self._asked(machine, guest_id)
            if not asked or not await self.tasks.until_off(machine.ref, limit_s=grace_s):
                await self._cut(machine, guest_id)

    async def _asked(self, machine: Machine, guest_id: UUID) -> bool:
        """Whether the guest heard; one without tools hears nothing, so no time is spent on it."""
        try:
            await self.vcenter.change(machine.ref.ShutdownGuest, doing=f"shut down {guest_id}")
        except Refused as error:
            if isinstance(
                error.__cause__, vim.fault.ToolsUnavailable | vim.fault.InvalidPowerState
            ):
                return False
            raise
        return True

    async def _cut(self, machine: Machine, guest_id: UUID) -> None:
        try:
            await self.tasks.run(
                machine.ref.PowerOffVM_Task, about=guest_id, doing=f"cut the power of {guest_id}"
            )
        except Refused as error:
            if not isinstance(error.__cause__, vim.fault.InvalidPowerState):
                raise

    async def reboot(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        """Once for each key: the note tells a retry that it is one."""
        async with self.tasks.turn(guest_id):
            machine = await self.running(guest_id, verb="reboot")
            note = machine.note
            assert note is not None
            if note.rebooted == key:
                return
            if force or not await self._asked_to_reboot(machine, guest_id):
                await self.tasks.run(
                    machine.ref.ResetVM_Task, about=guest_id, doing=f"reset guest {guest_id}"
                )
            await self.write(machine.ref, msgspec.structs.replace(note, rebooted=key))

    async def _asked_to_reboot(self, machine: Machine, guest_id: UUID) -> bool:
        try:
            await self.vcenter.change(machine.ref.RebootGuest, doing=f"reboot guest {guest_id}")
        except Refused as error:
            if isinstance(error.__cause__, vim.fault.ToolsUnavailable):
                return False
            raise
        return True

    async def remove(self, guest_id: UUID) -> None:
        async with self.tasks.turn(guest_id):
            await self.settled(guest_id)
            machine = await self.find(guest_id)
            if machine is None:
                return
            if machine.power is not Power.OFF:
                await self._cut(machine, guest_id)
            await self._take_away(machine)

    async def _take_away(self, machine: Machine) -> None:
        """Park what holds snapshots; of all else nothing is left but the disks."""
        note = machine.note
        assert note is not None
        if await self.moments.all_of(machine.ref):
            await self.park(machine, note)
        else:
            await self.destroy(machine)

    async def park(self, machine: Machine, note: Note) -> None:
        await self.write(machine.ref, msgspec.structs.replace(note, parked=True))

    async def destroy(self, machine: Machine) -> None:
        """The disks are let go of first: a machine that is destroyed takes along what it has."""
        note = machine.note
        assert note is not None
        await self.firmware.keep(machine, note, self.esx.datacenter)
        await self.let_go(machine, note, machine.disks)
        again = await self.inventory.look(machine.ref)
        if again is not None:
            await self.bring_back(again)
        path = _disc_path_of(machine)
        try:
            await self.tasks.run(
                machine.ref.Destroy_Task, about=note.guest, doing=f"destroy {machine.name}"
            )
        except Unavailable as error:
            if not _is_gone(error):
                raise
        if path:
            store = await self._store_of(path)
            await self.disks.stores.delete_file(store, path, about=note.guest)

    async def let_go(self, machine: Machine, note: Note, disks: list[Any]) -> Note:
        """Take disks out of a machine; where those are that are not at their paths is noted."""
        if not disks:
            return note
        slots = {disk.slot for disk in disks}
        away = dict(note.away)
        kept = {}
        for volume_id, held in note.disks.items():
            if held.slot not in slots:
                kept[volume_id] = held
                continue
            file = next(disk.file for disk in disks if disk.slot == held.slot)
            if file != held.path:
                away[held.path] = file
        note = msgspec.structs.replace(note, disks=kept, away=away)
        spec = vim.vm.ConfigSpec(
            deviceChange=[translate.removed(disk.device) for disk in disks],
            extraConfig=translate.extra(note),
        )
        await self.tasks.run(
            lambda: machine.ref.ReconfigVM_Task(spec),
            about=note.guest, doing=f"take disks out of {machine.name}",
        )  # fmt: skip
        return note

    async def bring_back(self, machine: Machine) -> None:
        """Bring disks that a machine let go of to their own paths."""
        note = machine.note
        if note is None or not note.away:
            return
        for path, file in note.away.items():
            store, source = await self._store_of(path), await self._store_of(file)
            if await self.disks.stores.files.capacity(source, file) is not None:
                await self.disks.stores.move(source, file, store, path, about=note.guest)
                await self.disks.forget_marks(store, path)
        await self.write(machine.ref, msgspec.structs.replace(note, away={}))

    async def write(self, ref: Managed, note: Note) -> None:
        spec = vim.vm.ConfigSpec(extraConfig=translate.extra(note))
        await self.tasks.run(
            lambda: ref.ReconfigVM_Task(spec), about=note.guest, doing=f"note guest {note.guest}"
        )

    async def grow(self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int) -> None:
        async with self.tasks.turn(guest_id):
            machine = await self.running(guest_id, verb="growth")
            note, now = machine.note, machine.status()
            assert note is not None
            if cpu_count < now.cpu_count or memory_mib < now.memory_mib:
                raise Refused(
                    f"guest {guest_id} has {now.cpu_count} cores and {now.memory_mib} MiB, and "
                    "never has less while it runs"
                )
            if cpu_count > note.cpu_max or memory_mib > note.memory_max_mib:
                raise Refused(
                    f"guest {guest_id} was started with room for {note.cpu_max} cores and "
                    f"{note.memory_max_mib} MiB: stop it to give it more"
                )
            spec = translate.sizes(cpu_count, cpu_mhz, memory_mib)
            await self.tasks.run(
                lambda: machine.ref.ReconfigVM_Task(spec),
                about=guest_id, doing=f"grow guest {guest_id}",
            )  # fmt: skip


def _is_parked(machine: Machine) -> bool:
    return machine.note is not None and machine.note.parked


def _is_gone(error: DriverError) -> bool:
    return isinstance(error.__cause__, vmodl.fault.ManagedObjectNotFound)


def _root(spec: GuestSpec) -> DiskAttachment:
    root = min(
        (one for one in spec.disks if not one.is_cdrom), key=lambda one: one.device, default=None
    )
    if root is None:
        raise Refused(
            f"guest {spec.name} has no disk: vSphere keeps a machine beside its root disk"
        )
    return root


def _home(spec: GuestSpec) -> str:
    """The datastore of the root disk holds the machine; the vCenter names the folder."""
    return _root(spec).path.split("]", 1)[0] + "]"


def _disc_path(home: str, guest_id: UUID) -> str:
    return f"{home} sagastack-config/{guest_id}.iso"


def _disc_path_of(machine: Machine) -> str:
    found = (disc_of(drive) for drive in machine.drives)
    return next((path for path in found if "] sagastack-config/" in path), "")
