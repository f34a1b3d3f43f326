"""The one guest of a machine: started from its disk, stopped by its power, known by its card.

A start prepares the disks (the agent wipes what is dirty and writes the config partition), turns
the machine off, and lets it boot from disk. What is done of that shows on the card, so a start
that was cut short goes on where it was. Nobody's guest runs beside somebody else's disk.
"""

from __future__ import annotations

from uuid import UUID

from drivers.baremetal import config_disc
from drivers.baremetal.bmc import Boot, Turn
from drivers.baremetal.cards import Disk, Guest, Volume
from drivers.baremetal.disks import Disks
from drivers.baremetal.installs import Installs
from drivers.baremetal.node import LIVE, Node
from drivers.baremetal.power import soften, switch
from drivers.baremetal.wait import until
from drivers.contract.compute import GuestSpec, GuestStatus, Power
from drivers.contract.errors import Refused, Unavailable

STRANGER = "stranger"


class Guests:
    """The guest verbs on one machine."""

    def __init__(self, node: Node, disks: Disks) -> None:
        self._node, self._disks = node, disks
        self._installs = Installs(node, self._boot, self._comes_alive, self._mark_lease)

    async def start(self, spec: GuestSpec, key: UUID) -> GuestStatus:
        async with self._node.turn:
            card = self._node.card
            there = card.guest if card.guest and card.guest.guest_id == str(spec.guest_id) else None
            if there is not None and there.stage in LIVE and await self._node.power():
                if there.stage == "installing":
                    await self._installs.go_on(there)
                elif there.stage == "booting":
                    await self._comes_alive(there)
                return await self._status(there)
            held = self._check(spec)
            guest = Guest(
                guest_id=str(spec.guest_id),
                name=spec.name,
                key=str(key),
                cpu_count=spec.cpu_count,
                memory_mib=spec.memory_mib,
                disks=[disk.path for disk, _ in held],
            )
            card.guest = guest
            self._node.save()
            await self._prepare(spec, held)
            root = card.whole(spec.disks[0].volume_id)
            if root is not None and root[1].installer:
                await self._installs.begin(spec, guest, *root)
            else:
                await self._boot(guest)
            return await self._status(guest)

    async def stop(self, guest_id: UUID, *, grace_s: float) -> None:
        async with self._node.turn:
            guest = self._ours(guest_id)
            if guest is not None:
                await self._off(guest, grace_s)

    async def remove(self, guest_id: UUID) -> None:
        async with self._node.turn:
            guest = self._ours(guest_id)
            if guest is not None:
                await self._off(guest, 0)
                self._node.card.guest = None
                self._node.save()

    async def reboot(self, guest_id: UUID, *, force: bool) -> None:
        async with self._node.turn:
            guest = self._ours(guest_id)
            if guest is None or guest.stage not in LIVE or not await self._node.power():
                raise Refused(f"guest {guest_id} does not run on {self._node.name}: start it")
            bmc, pace = self._node.bmc, self._node.pace
            grace_s = self._node.settings.reboot_s
            if force or not await soften(bmc, grace_s=grace_s, pace=pace):
                await bmc.turn(Turn.RESET)
            await switch(bmc, on=True, pace=pace)

    async def find(self, guest_id: UUID) -> GuestStatus | None:
        guest = self._ours(guest_id)
        return None if guest is None else await self._status(guest)

    async def all(self) -> list[GuestStatus]:
        """The guest; or a stranger, if the machine is on for no reason of ours."""
        guest = self._node.card.guest
        if guest is not None:
            return [await self._status(guest)]
        if self._node.may_have_agent or not await self._node.bmc.is_on():
            return []
        return [
            GuestStatus(
                guest_id=None, name=f"{STRANGER}-{self._node.address.node}", power=Power.RUNNING
            )
        ]

    def running(self, guest_id: UUID) -> Guest:
        guest = self._ours(guest_id)
        if guest is None or guest.stage not in LIVE:
            raise Refused(f"guest {guest_id} does not run on {self._node.name}: start it")
        return guest

    # ---- within ------------------------------------------------------------------------------

    def _ours(self, guest_id: UUID) -> Guest | None:
        guest = self._node.card.guest
        return guest if guest is not None and guest.guest_id == str(guest_id) else None

    async def _status(self, guest: Guest) -> GuestStatus:
        power = Power.OFF
        if guest.stage in LIVE and await self._node.bmc.is_on():
            power = Power.CRASHED if self._node.booting.strays else Power.RUNNING
        return GuestStatus(
            guest_id=UUID(guest.guest_id),
            name=guest.name,
            power=power,
            key=UUID(guest.key),
            cpu_count=guest.cpu_count,
            memory_mib=guest.memory_mib,
            disks=tuple(guest.disks),
        )

    def _check(self, spec: GuestSpec) -> list[tuple[Disk, Volume]]:
        """The guest's disks, if it can have the machine. Nothing has changed when it cannot."""
        node, card = self._node, self._node.card
        if card.guest is not None and card.guest.guest_id != str(spec.guest_id):
            raise Unavailable(
                f"{node.name} is given to guest {card.guest.name}: a machine is one guest's whole"
            )
        if spec.cpu_count > card.cpu_count or spec.memory_mib * 1024**2 > card.memory_bytes:
            raise Refused(
                f"{node.name} has {card.cpu_count} cores and {card.memory_bytes // 1024**2} MiB; "
                f"guest {spec.name} wants {spec.cpu_count} and {spec.memory_mib}"
            )
        if any(one.is_cdrom for one in spec.disks):
            raise Refused(f"{node.name} has no drive for a disc: detach the ISO")
        if (spec.boot == "uefi") != node.address.uefi and spec.boot in ("uefi", "bios"):
            is_so = "UEFI" if node.address.uefi else "BIOS"
            raise Refused(
                f"{node.name} boots by {is_so} (uefi= in its URL), the guest by {spec.boot}"
            )
        if not spec.disks:
            raise Refused(f"guest {spec.name} has no disk, so {node.name} has nothing to boot from")
        held = []
        for one in spec.disks:
            there = card.whole(one.volume_id)
            if there is None or there[0].path != one.path:
                raise Refused(f"{node.name} has no volume {one.volume_id} at {one.path}")
            held.append(there)
        owner = dict(spec.labels).get("account", "")
        for disk in card.disks:
            volume = disk.volume
            if volume is not None and volume.owner not in ("", owner):
                raise Refused(
                    f"{disk.path} of {node.name} holds a volume of another account: no guest runs "
                    "beside it. Remove that volume, or place the guest elsewhere"
                )
        for _, volume in held:
            volume.owner, volume.guest_id = owner, str(spec.guest_id)
        return held

    async def _prepare(self, spec: GuestSpec, held: list[tuple[Disk, Volume]]) -> None:
        """No dirty disk beside the guest, and its root disk holds what it is to be told."""
        await self._disks.clean()
        root_id, wanted = spec.disks[0].volume_id, config_disc.digest(spec.config)
        there = self._node.card.whole(root_id)
        assert there is not None
        disk, volume = there
        if volume.installs:  # Its installer's answers tell it, once.
            volume.config = wanted
        if volume.config != wanted and wanted and not volume.config_at:
            raise Refused(
                f"{disk.path} has no room or no partition table for what guest {spec.name} is to "
                "be told: use a disk that is some MiB larger than the image, and a partitioned "
                "image"
            )
        if volume.config != wanted:
            disc = config_disc.image(spec.config)
            await self._node.with_agent()
            there = self._node.card.whole(root_id)
            assert there is not None
            disk, volume = there
            await self._disks.put(disk, volume.config_at, disc, f"config {wanted}")
            volume.config = wanted
        if self._node.agent.is_here:
            for one in spec.disks:
                if (now := self._node.card.whole(one.volume_id)) is not None:
                    await self._disks.put_label(*now)
        self._node.save()

    async def _boot(self, guest: Guest) -> None:
        node = self._node
        await node.power_off()
        node.booting.strays = 0
        self._mark_lease()
        guest.stage = "booting"
        node.save()
        await node.power_on(Boot.DISK, once=False)
        await self._comes_alive(guest)

    async def _comes_alive(self, guest: Guest) -> None:
        """The sign of life that the machine's URL asks for; `running` then.

        However often a start is tried again, it is waited for once.
        """
        node, dhcp = self._node, self._node.provision.dhcp
        mac = node.address.mac
        self._since_s = self._since_s or node.now_s()
        left_s = max(1.0, node.address.boot_s - (node.now_s() - self._since_s))

        async def asked() -> bool:
            if node.booting.strays:
                raise Unavailable(
                    f"{node.name} came back to the network's boot: its firmware does not boot from "
                    f"{guest.disks[0]}; check its boot order, root= and uefi= in the host's URL"
                )
            return dhcp is not None and dhcp.lease(mac) != node.card.lease

        async def fell() -> bool:
            return bool(node.booting.strays) or not await node.bmc.is_on()

        if node.address.alive == "dhcp":
            if not await until(asked, within_s=left_s, every_s=node.pace.every_s):
                raise Unavailable(
                    f"{node.name} is on, but its system asked for no address within "
                    f"{node.address.boot_s:.0f} s: it does not boot, or not on {mac}; look at its "
                    "console"
                )
        elif await until(fell, within_s=node.settings.alive_s, every_s=node.pace.every_s):
            await asked()
            raise Unavailable(
                f"{node.name} turned itself off while it started; look at its console"
            )
        guest.stage = "running"
        node.save()

    _since_s = 0.0

    def _mark_lease(self) -> None:
        """What the machine has now is none of the system's that is started: a change of it is."""
        node = self._node
        self._since_s = 0.0
        node.card.lease = node.provision.dhcp.lease(node.address.mac) if node.provision.dhcp else ""

    async def _off(self, guest: Guest, grace_s: float) -> None:
        self._installs.drop()
        if guest.stage in LIVE:
            on = await self._node.power()
            if on and grace_s > 0:
                on = not await soften(self._node.bmc, grace_s=grace_s, pace=self._node.pace)
            if on:
                await switch(self._node.bmc, on=False, pace=self._node.pace)
            guest.stage = "off"
            self._node.booting.strays = 0
            self._node.save()
        elif guest.stage == "preparing":
            guest.stage = "off"
            self._node.save()
