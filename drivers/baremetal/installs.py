"""Installing a guest's system by an installer of the system's own, from power-on to its first boot.

What is done of it is on the card: a start that was cut short finds the installation under way, and
waits for the rest of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from drivers.baremetal.bmc import Boot
from drivers.baremetal.cards import Disk, Guest, Volume
from drivers.baremetal.installing import Installing, prepared
from drivers.baremetal.node import Node
from drivers.baremetal.wait import until
from drivers.contract.compute import GuestSpec
from drivers.contract.errors import Refused, Unavailable

LEAVES_S = 300.0

Boots = Callable[[Guest], Awaitable[None]]


class Installs:
    """The installations on one machine. `boot` starts it from its disk, `alive` waits for it to
    ask for an address other than that which it had when `mark` was called.
    """

    def __init__(self, node: Node, boot: Boots, alive: Boots, mark: Callable[[], None]) -> None:
        self._node, self._boot, self._alive, self._mark = node, boot, alive, mark
        self._began_s = 0.0

    async def begin(self, spec: GuestSpec, guest: Guest, disk: Disk, volume: Volume) -> None:
        """Boot the installer, and have the system installed and running when this returns."""
        node = self._node
        one = prepared(
            spec,
            Path(volume.installer),
            node.provision.url,
            mac=node.address.mac,
            root_disk=disk.name,
        )
        await node.power_off()
        node.booting.strays = 0
        node.card.installing = node.booting.installing = one
        guest.stage = "installing"
        self._began_s = node.now_s()
        node.save()
        # Each time until it is over: a machine that comes back has restarted.
        await node.power_on(Boot.NETWORK, once=False)
        await self.go_on(guest)

    async def go_on(self, guest: Guest) -> None:
        """Wait for the installer, then for the system that it installed."""
        node = self._node
        one = node.booting.installing
        if one is None:  # It was over when we were cut short.
            await self._boot(guest)
            return
        self._began_s = self._began_s or node.now_s()
        await self._until_over(one)
        if one.failed:
            self.drop()
            guest.stage = "preparing"
            await node.power_off()
            raise Refused(f"the installer on {node.name} failed: {one.failed}")
        volume = self._volume(guest)
        if volume is not None:
            volume.installer = ""
        asked = node.asked(by_system=True)
        self._mark()
        await node.bmc.boot_from(Boot.DISK, once=False, uefi=node.address.uefi)
        node.save()
        runs = await self._restarts(one, asked)
        guest.stage = "booting"
        self.drop()
        node.save()
        await (self._alive(guest) if runs else self._boot(guest))

    def drop(self) -> None:
        """The guest is stopped: what its installer asks from now on is not answered."""
        self._node.card.installing = self._node.booting.installing = None

    # ---- within ------------------------------------------------------------------------------

    def _volume(self, guest: Guest) -> Volume | None:
        disks = self._node.card.disks
        return next((d.volume for d in disks if d.path == guest.disks[0] and d.volume), None)

    async def _until_over(self, one: Installing) -> None:
        node, limit_s = self._node, self._node.address.install_s

        async def over() -> bool:
            return one.is_over or not await node.bmc.is_on()

        left_s = max(1.0, limit_s - (node.now_s() - self._began_s))
        if not await until(over, within_s=left_s, every_s=node.pace.every_s):
            raise Unavailable(
                f"{node.name}: its installer {_so_far(one)}, and has not said within "
                f"{limit_s:.0f} s that it is done: look at its console; install_s= in the host's "
                "URL gives it longer"
            )
        if not one.is_over and not await node.power():
            if not one.fetched:
                raise Unavailable(
                    f"{node.name} turned itself off: its installer {_so_far(one)}; look at its "
                    "console"
                )
            one.done = True

    async def _restarts(self, one: Installing, asked: int) -> bool:
        """Whether its system is seen to run once its installer has let go of the machine.

        One that turned itself off, or came back to the network's boot, is to be started from its
        disk; so is one of which nothing is seen.
        """
        node = self._node

        def runs() -> bool:
            return node.asked(by_system=True) > asked

        async def left() -> bool:
            return one.returned or runs() or not await node.bmc.is_on()

        within_s = min(LEAVES_S, node.address.boot_s)
        await until(left, within_s=within_s, every_s=node.pace.every_s)
        return runs() and not one.returned


def _so_far(one: Installing) -> str:
    if not one.came:
        return "was not booted: nothing fetched its boot script"
    return "has fetched its answers" if one.fetched else "was booted, but fetched no answers"
