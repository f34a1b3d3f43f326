"""The life of a guest: a VM that is cloned from XenServer's blank template and shaped as wanted.

A VM is found by its description, which names our id, and is ours if its mark says so. One that is
off keeps its record while it has checkpoints, because they go back to no other: it rests then, is
nobody's guest, and the next start wakes it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestSpec, HostFacts
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.kit import discs
from drivers.xapi import marks, transfer, translate, vdis
from drivers.xapi.client import Line
from drivers.xapi.disks import Disks
from drivers.xapi.errors import code_of, unless
from drivers.xapi.marks import NULL, NULLS, Kind, Record
from drivers.xapi.networks import Networks
from drivers.xapi.repositories import Repository
from drivers.xapi.tasks import until
from drivers.xapi.translate import CONFIG_DEVICE, DESCRIPTION, DISC_DEVICE, MIB
from drivers.xapi.vdis import Vdi

TEMPLATE = "Other install media"
VCPUS_MAX = 64
DRIVERS_S = 15.0
REBOOT_S = 60.0
DESCRIBED = 'field "name__description" = "{}"'
NO_DRIVERS = ("VM_MISSING_PV_DRIVERS", "VM_LACKS_FEATURE", "VM_OLD_PV_DRIVERS")
GONE = ("HANDLE_INVALID", "UUID_INVALID")
Found = tuple[str, Record]


class Guests:
    """The guests of one host."""

    def __init__(self, line: Line, host_uuid: str, disks: Disks, networks: Networks) -> None:
        self.line, self._host_uuid = line, host_uuid
        self.disks, self._networks = disks, networks

    # ---- finding -------------------------------------------------------------------------

    async def anywhere(self, guest_id: UUID) -> Found | None:
        """The VM of a guest wherever it is in the pool, resting or not."""
        query = DESCRIBED.format(DESCRIPTION.format(guest_id))
        for ref, record in (await self.line.call("VM.get_all_records_where", query)).items():
            if translate.guest_id_of(record) == guest_id:
                return ref, record
        return None

    async def here(self, guest_id: UUID) -> Found | None:
        """The same on this host alone, and awake."""
        found = await self.anywhere(guest_id)
        if found is None or marks.RESTS in found[1]["other_config"]:
            return None
        return found if translate.is_on(found[1], await self.host()) else None

    async def running(self, guest_id: UUID, *, verb: str) -> Found:
        """One that runs here, else `Refused`. What is still being done to it is waited for."""
        for _ in range(3):
            found = await self.here(guest_id)
            if found is None or found[1]["power_state"] not in ("Running", "Paused"):
                raise Refused(f"guest {guest_id} does not run on this XenServer: no {verb}")
            if not await self.line.settle(found[1], doing=f"{verb} guest {guest_id}"):
                return found
        raise Unavailable(f"guest {guest_id} is kept busy by others: try again")

    async def host(self) -> str:
        return await self.line.host(self._host_uuid)

    # ---- starting ------------------------------------------------------------------------

    async def start(self, spec: GuestSpec, facts: HostFacts, *, key: UUID) -> None:
        """Run the guest, unless it runs. What is refused leaves no VM behind."""
        _check_fits(spec, facts)
        async with self.line.turn(Kind.GUEST, spec.guest_id):
            found = await self.anywhere(spec.guest_id)
            if found is not None and await self.line.settle(found[1], doing=f"start {spec.name}"):
                found = await self.anywhere(spec.guest_id)
            if found is not None and found[1]["power_state"] != "Halted":
                await self._wake(spec, *found)
                return
            held = [await vdis.at_path(self.line, disk.path) for disk in spec.disks]
            networks = [await self._networks.of(nic) for nic in spec.nics]
            vm = found[0] if found is not None else await self._shell(spec)
            try:
                await self._shape(vm, spec, held, networks, key=key)
                await self.line.run("VM.start_on", vm, await self.host(), False, False)
            except (Refused, Unavailable):
                with suppress(DriverError):
                    await self._let_go(spec.guest_id)
                raise

    async def _wake(self, spec: GuestSpec, vm: str, record: Record) -> None:
        """One that runs already, or was paused or suspended by a person."""
        where, host = record["resident_on"], await self.host()
        if where not in NULLS and where != host:
            name = await self.line.call("host.get_name_label", where)
            metrics = await self.line.call("host.get_metrics", where)
            if not await self.line.call("host_metrics.get_live", metrics):
                raise Unavailable(
                    f"guest {spec.name} ran on host {name}, which does not answer its master: only "
                    "who knows that it is dead may say so there (xe host-declare-dead)"
                )
            raise Refused(f"guest {spec.name} runs on host {name}: stop or migrate it there")
        if record["power_state"] == "Paused":
            await self.line.run("VM.unpause", vm)
        elif record["power_state"] == "Suspended":
            await self.line.run("VM.resume_on", vm, host, False, False)

    async def _shell(self, spec: GuestSpec) -> str:
        """A VM without anything in it; one that was begun before is gone on with."""
        label = DESCRIPTION.format(spec.guest_id)
        for ref in await self.line.call("VM.get_by_name_label", label):
            return str(ref)
        templates = await self.line.call("VM.get_by_name_label", TEMPLATE)
        for ref in templates:
            record = await self.line.call("VM.get_record", ref)
            if record["is_a_template"] and not record["is_a_snapshot"]:
                return await self.line.run("VM.clone", ref, label)
        raise Refused(f"the pool has no template {TEMPLATE!r}: restore XenServer's own templates")

    async def _shape(
        self, vm: str, spec: GuestSpec, held: list[Vdi], networks: list[str], *, key: UUID
    ) -> None:
        """Let a VM that is off be what is wanted, whatever it was."""
        call = self.line.call
        record = await call("VM.get_record", vm)
        if record["is_a_template"]:
            await self.line.run("VM.provision", vm)
        await self._empty(record)
        await call("VM.set_memory_limits", vm, *translate.memory_limits(spec))
        most = max(spec.cpu_count, spec.cpu_max)
        if most >= int(record["VCPUs_at_startup"]):
            await call("VM.set_VCPUs_max", vm, most)
            await call("VM.set_VCPUs_at_startup", vm, spec.cpu_count)
        else:
            await call("VM.set_VCPUs_at_startup", vm, spec.cpu_count)
            await call("VM.set_VCPUs_max", vm, most)
        for field, value in translate.boot_fields(spec, record).items():
            await call(f"VM.set_{field}", vm, value)
        await call("VM.set_VCPUs_params", vm, {"weight": translate.weight(spec)})
        await call("VM.set_affinity", vm, await self.host())
        await call("VM.set_name_description", vm, DESCRIPTION.format(spec.guest_id))
        await call("VM.set_other_config", vm, translate.guest_lines(record, spec.guest_id, key))
        await call("VM.set_name_label", vm, spec.known_as)
        await self._fill(vm, spec, held, networks)

    async def _fill(self, vm: str, spec: GuestSpec, held: list[Vdi], networks: list[str]) -> None:
        call, has_disc = self.line.call, False
        for disk, vdi in zip(spec.disks, held, strict=True):
            has_disc |= disk.is_cdrom
            mode = "RO" if disk.is_cdrom or disk.read_only else "RW"
            fields: dict[str, Any] = {
                "mode": mode, "type": "CD" if disk.is_cdrom else "Disk",
                "bootable": disk.device == 0, "other_config": {marks.VOLUME: str(disk.volume_id)},
            }  # fmt: skip
            await call("VBD.create", translate.vbd(vm, vdi.ref, disk.device, **fields))
        taken = {disk.device for disk in spec.disks}
        if not has_disc and DISC_DEVICE not in taken:
            empty = {"mode": "RO", "type": "CD", "empty": True}
            await call("VBD.create", translate.vbd(vm, NULL, DISC_DEVICE, **empty))
        for number, (nic, network) in enumerate(zip(spec.nics, networks, strict=True)):
            await call("VIF.create", translate.vif(vm, network, number, nic.mac, nic.nic_id))
        await self._drop_config(spec.guest_id)
        if spec.config and held:
            vdi_ref = await self._write_config(spec, held[0])
            fields = {"mode": "RO"}
            await call("VBD.create", translate.vbd(vm, vdi_ref, CONFIG_DEVICE, **fields))

    async def _write_config(self, spec: GuestSpec, root: Vdi) -> str:
        content = discs.image(spec.config)
        sr = root.record["SR"]
        place = Repository(sr, await self.line.sr_uuid(sr))
        size = vdis.whole_grains(len(content))
        ref = await vdis.begin(self.line, place, Kind.CONFIG, spec.guest_id, size)
        address = await self.disks.address()
        await transfer.written(self.line, address, ref, content, self.disks.scratch)
        await vdis.claim(self.line, ref, Kind.CONFIG, spec.guest_id)
        return ref

    async def _empty(self, record: Record) -> None:
        for cls, refs in (("VBD", record["VBDs"]), ("VIF", record["VIFs"])):
            for ref in refs:
                with unless(*GONE):
                    await self.line.call(f"{cls}.destroy", ref)

    async def _drop_config(self, guest_id: UUID) -> None:
        for ref, record in (await vdis.labelled(self.line, guest_id)).items():
            meant = marks.meant(record)
            if meant is not None and meant.kind is Kind.CONFIG and not record["is_a_snapshot"]:
                await vdis.destroy(self.line, ref)

    # ---- stopping ------------------------------------------------------------------------

    async def stop(self, guest_id: UUID, *, grace_s: float) -> None:
        """Ask the guest, then cut; one that has no PV drivers cannot be asked."""
        found = await self.here(guest_id)
        if found is None:
            return
        vm, record = found
        if grace_s > 0 and record["power_state"] == "Running":
            task = await self._begin_shutdown(vm)
            if task:
                with suppress(Refused, Unavailable, Unknown):
                    doing = f"shut guest {guest_id} down"
                    await self.line.finish(task, doing=doing, limit_s=grace_s)
                with suppress(DriverError):
                    await self.line.call("task.cancel", task)
        await self._cut(guest_id)

    async def _begin_shutdown(self, vm: str) -> str:
        try:
            return str(await self.line.call("Async.VM.clean_shutdown", vm))
        except Refused:
            return ""

    async def _cut(self, guest_id: UUID) -> None:
        found = await self.here(guest_id)
        if found is None or found[1]["power_state"] == "Halted":
            return
        with unless("VM_BAD_POWER_STATE", *GONE):
            await self.line.run("VM.hard_shutdown", found[0])
        found = await self.here(guest_id)
        if found is not None and found[1]["power_state"] != "Halted":
            raise Unavailable(f"guest {guest_id} still runs after its power was cut")

    async def remove(self, guest_id: UUID) -> None:
        """Leave nothing of it on this host; where it runs on another host, that is not touched."""
        async with self.line.turn(Kind.GUEST, guest_id):
            found = await self.here(guest_id)
            if found is not None:
                await self.line.settle(found[1], doing=f"remove guest {guest_id}")
                await self._cut(guest_id)
            await self._let_go(guest_id)

    async def _let_go(self, guest_id: UUID) -> None:
        """A VM that is off goes, or rests if it has checkpoints; what was half made goes."""
        found = await self.here(guest_id)
        if found is not None and found[1]["power_state"] == "Halted":
            vm, record = found
            if record["snapshots"]:
                await self._empty(record)
                lines = dict(record["other_config"]) | {marks.RESTS: "yes"}
                await self.line.call("VM.set_other_config", vm, lines)
            else:
                with unless(*GONE):
                    await self.line.run("VM.destroy", vm)
            await self._drop_config(guest_id)
        for ref in await self.line.call("VM.get_by_name_label", DESCRIPTION.format(guest_id)):
            with unless(*GONE):
                await self.line.run("VM.destroy", ref)

    async def reboot(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        """Once for each key, which the VM remembers."""
        vm, record = await self.running(guest_id, verb="reboot")
        if record["other_config"].get(marks.REBOOTED) == str(key):
            return
        if force or not await self._asked_to_reboot(vm):
            await self.line.run("VM.hard_reboot", vm)
        lines = dict(await self.line.call("VM.get_other_config", vm))
        await self.line.call("VM.set_other_config", vm, lines | {marks.REBOOTED: str(key)})

    async def _asked_to_reboot(self, vm: str) -> bool:
        try:
            await self.line.run("VM.clean_reboot", vm, limit_s=REBOOT_S)
        except (Refused, Unknown):
            return False
        return True

    # ---- growing -------------------------------------------------------------------------

    async def grow(self, guest_id: UUID, cpu_count: int, memory_mib: int) -> None:
        vm, record = await self.running(guest_id, verb="growth")
        size, has = memory_mib * MIB, int(record["memory_dynamic_max"])
        now = int(await self.line.call("VM_metrics.get_VCPUs_number", record["metrics"]))
        cores = now or int(record["VCPUs_at_startup"])
        if size < has or cpu_count < cores:
            raise Refused(f"guest {guest_id} runs: it does not get less than it has")
        if size > int(record["memory_static_max"]) or cpu_count > int(record["VCPUs_max"]):
            raise Refused(
                f"guest {guest_id} was started with room for {record['VCPUs_max']} cores and "
                f"{int(record['memory_static_max']) // MIB} MiB: stop and start it to have more"
            )
        if size > has:
            await self.with_drivers(vm, "VM.set_memory_dynamic_range", vm, size, size)
        if cpu_count > cores:
            await self.with_drivers(vm, "VM.set_VCPUs_number_live", vm, cpu_count)

    async def with_drivers(self, vm: str, method: str, *params: object) -> str:
        """Do what needs the guest's PV drivers; a guest that is just booting is waited for."""
        try:
            return await self.line.run(method, *params)
        except DriverError as error:
            if code_of(error) not in NO_DRIVERS or not await self._drivers_come(vm):
                raise
        return await self.line.run(method, *params)

    async def _drivers_come(self, vm: str) -> bool:
        """Whether its guest metrics tell of PV drivers soon; heard of by events."""
        metrics = [await self.line.call("VM.get_guest_metrics", vm)]

        async def shows(snapshots: list[Record]) -> bool:
            for one in snapshots:
                if one.get("PV_drivers_detected") is True:
                    return True
                if one.get("guest_metrics", NULL) not in NULLS:
                    metrics[0] = one["guest_metrics"]
                    found = await self.line.call("VM_guest_metrics.get_record", metrics[0])
                    if found["PV_drivers_detected"]:
                        return True
            return False

        classes = [f"vm/{vm}"]
        if metrics[0] not in NULLS:
            classes.append(f"vm_guest_metrics/{metrics[0]}")
        return await until(self.line.call, classes, shows, limit_s=DRIVERS_S)


def _check_fits(spec: GuestSpec, facts: HostFacts) -> None:
    """Refuse what not even the empty host could hold; what is free now is the allocator's."""
    if spec.memory_mib * MIB > facts.memory_bytes:
        raise Refused(
            f"guest {spec.name}: {spec.memory_mib} MiB are more than the "
            f"{facts.memory_bytes // MIB} MiB of host {facts.name}"
        )
    if max(spec.cpu_count, spec.cpu_max) > VCPUS_MAX:
        raise Refused(f"guest {spec.name}: {spec.cpu_count} vCPUs; XenServer gives {VCPUS_MAX}")
