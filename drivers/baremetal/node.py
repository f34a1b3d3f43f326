"""One machine: its BMC, its card, its agent, and how the agent comes to run on it.

Verbs on a machine take turns (`turn`). A boot of the agent that was cut short goes on by itself:
the next verb finds it under way, and waits for the rest of it. When the agent does not come, the
error says how far the machine has got, for that tells a person where to look.
"""

from __future__ import annotations

import asyncio
import secrets

from drivers.baremetal import agent_report
from drivers.baremetal.address import NodeAddress
from drivers.baremetal.agent_files import AgentFiles
from drivers.baremetal.agents import Agent, Order
from drivers.baremetal.bmc import Bmc, Boot
from drivers.baremetal.cards import Card, Cards
from drivers.baremetal.power import Pace, steady, switch
from drivers.baremetal.provision import Booting, Provision
from drivers.baremetal.settings import Settings
from drivers.baremetal.wait import until
from drivers.contract.errors import Unavailable

LIVE = ("installing", "booting", "running")
RETURNS_S = 15.0


class Node:
    """A machine as all its sessions share it."""

    def __init__(
        self,
        address: NodeAddress,
        bmc: Bmc,
        cards: Cards,
        provision: Provision,
        files: AgentFiles,
        settings: Settings,
    ) -> None:
        self.address, self.bmc, self.provision, self.settings = address, bmc, provision, settings
        self.card: Card = cards.read(address.node)
        self.pace = Pace(settings.settle_s, settings.every_s)
        self.turn = asyncio.Lock()
        self._cards, self._files = cards, files
        self.agent = Agent(
            self.name, self.now_s, poll_s=settings.poll_s, silent_s=settings.silent_s
        )
        self._made_s = self.now_s()
        self.booting = Booting(
            self.agent, self.card.token, uefi=address.uefi, installing=self.card.installing
        )
        self._began_s = 0.0
        self._asked_before = 0
        self._prepared = False

    @property
    def name(self) -> str:
        return self.address.name or self.card.name or self.address.node

    def save(self) -> None:
        self._cards.write(self.card)

    async def register(self) -> None:
        """Let the provisioning network know the machine, and answer it from now on."""
        mac = self.address.mac
        self.provision.booting[mac] = self.booting
        self.provision.on_hello[mac] = self._arrived
        await self.provision.start()
        dhcp = self.provision.dhcp
        if dhcp is None:
            return
        if mac not in dhcp.hosts:
            taken = {card.ip4 for card in self._cards.others(self.card.node) if card.ip4}
            self.card.ip4 = dhcp.address_for(mac, self.card.ip4, taken)
            dhcp.hosts[mac] = self.card.ip4
            self.save()
        self.booting.ip4, self.booting.saved = self.card.ip4, self.save
        await dhcp.start(self.provision.url)

    def unregister(self) -> None:
        """Another driver, or a newer address of the machine, has it now."""
        if self.provision.booting.get(self.address.mac) is self.booting:
            del self.provision.booting[self.address.mac]
            self.provision.on_hello.pop(self.address.mac, None)

    # ---- the guest's side ------------------------------------------------------------------

    @property
    def is_given(self) -> bool:
        """The machine runs, or is about to run, what a guest's disk holds."""
        return self.card.guest is not None and self.card.guest.stage in LIVE

    @property
    def may_have_agent(self) -> bool:
        """The agent runs, boots, or may yet be heard of from before this process began."""
        early = self.now_s() - self._made_s < self.agent.silent_s
        return self.agent.is_here or self.booting.wanted or (bool(self.card.token) and early)

    async def guest_runs(self) -> bool:
        return self.is_given and await self.bmc.is_on()

    # ---- the agent's side ------------------------------------------------------------------

    async def with_agent(self) -> Agent:
        """The agent, running; it is booted if it is not. Only for a machine that no guest has."""
        if self.agent.is_here:
            return self.agent
        if await self.guest_runs():
            assert self.card.guest is not None
            raise Unavailable(
                f"{self.name} runs guest {self.card.guest.name}: its disks can be worked on once "
                "the guest is stopped"
            )
        await self._files.ready()
        if not await self._on_its_way():
            await self._boot_agent()
        left_s = self.address.boot_s - (self.now_s() - self._began_s)
        if not await until(self._is_here, within_s=max(1.0, left_s), every_s=self.pace.every_s):
            self._began_s = 0.0
            raise Unavailable(await self._why_no_agent())
        return self.agent

    async def inspect(self) -> None:
        """Have the machine looked at by the agent, once; what it says is on its card then."""
        if not self.card.inspected:
            agent = await self.with_agent()
            if agent.reported is None:  # It was booted by another controller's process.
                await self.power_off()
                await self.with_agent()

    async def order(self, order: Order, *, within_s: float = 0.0) -> bool:
        return await self.agent.wait(order, within_s=within_s)

    async def power_off(self) -> None:
        """Off, and seen to be: an agent that still asks tells of a BMC that is wrong."""
        agent_was_here = self.agent.is_here
        await switch(self.bmc, on=False, pace=self.pace)
        self.agent.gone()
        self.booting.wanted, self.card.token = False, ""
        self.save()
        if not agent_was_here:
            return

        async def lies() -> bool:
            return self.agent.lies > 0

        if await until(lies, within_s=2 * self.pace.every_s, every_s=self.pace.every_s / 4):
            raise Unavailable(
                f"{self.bmc.name} says that {self.name} is off, but the agent on it still asks for "
                "orders: the BMC is wrong, or is another machine's; reset it, check the host's URL"
            )

    async def power_on(self, device: Boot, *, once: bool) -> None:
        self.agent.may_be_on()
        await self.bmc.boot_from(device, once=once, uefi=self.address.uefi)
        await switch(self.bmc, on=True, pace=self.pace)

    async def power(self) -> bool:
        return await steady(self.bmc, self.pace)

    # ---- within ----------------------------------------------------------------------------

    def _arrived(self) -> None:
        """The agent has reported: the card says what the machine is."""
        reported = self.agent.reported
        assert reported is not None
        agent_report.apply(self.card, reported, erase=self.address.erase)
        self.card.name = self.address.name or self.card.name or f"bm-{self.card.hardware_id[:8]}"
        self.save()

    async def _is_here(self) -> bool:
        return self.agent.is_here

    async def _on_its_way(self) -> bool:
        """The agent was booted before, by us or by the process that was here before us."""
        if not await self.bmc.is_on():
            return False
        if self.booting.wanted and self._began_s:
            return self.now_s() - self._began_s < self.address.boot_s
        if self.card.token:
            return await until(self._is_here, within_s=RETURNS_S, every_s=self.pace.every_s)
        if self.card.guest is None:
            raise Unavailable(
                f"{self.name} is on and runs something that this controller did not start: it is "
                "not rebooted under it. Turn it off, then try again"
            )
        return False

    async def _boot_agent(self) -> None:
        await self.power_off()
        if not self._prepared:
            await self.bmc.prepare()
            self._prepared = True
        self.card.token = self.booting.token = secrets.token_urlsafe(18)
        self.booting.wanted, self.booting.scripts, self.booting.strays = True, 0, 0
        self.agent.arrived.clear()
        self.save()
        self._asked_before = self.asked()
        await self.power_on(Boot.NETWORK, once=True)
        self._began_s = self.now_s()

    async def _why_no_agent(self) -> str:
        """How far the machine got."""
        waited = f"no agent came from {self.name} within {self.address.boot_s:.0f} s"
        if not await self.bmc.is_on():
            return f"{waited}: it turned itself off while it booted; look at its console"
        mac, where = self.address.mac, self.provision.interface
        if self.booting.scripts:
            return (
                f"{waited}: it fetched its boot script, so the agent's kernel does not start or "
                "has no driver for its network card; look at its console"
            )
        if self.provision.dhcp is not None and self.asked() == self._asked_before:
            return (
                f"{waited}: {self.bmc.name} says that it is on, but nothing asked for an address "
                f"from {mac} on {where}. Is it really on? Is mac= the card that boots? Check its "
                "cable, and that its firmware boots over the network"
            )
        return (
            f"{waited}: it asked for an address but fetched no boot script from "
            f"{self.provision.url}; check that TFTP and HTTP pass, and uefi= in the host's URL"
        )

    def asked(self, *, by_system: bool = False) -> int:
        """How often the machine has asked for an address, as far as our DHCP knows."""
        dhcp = self.provision.dhcp
        return dhcp.asked(self.address.mac, by_system=by_system) if dhcp is not None else 0

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()
