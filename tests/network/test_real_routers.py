"""Routers on this machine: packets go where the rules lead them, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from drivers.contract.errors import Refused
from drivers.contract.routing import (
    Balance,
    Forward,
    GuestNet,
    Lease,
    LeaseChange,
    Line,
    RouterSpec,
    Segment,
    StaticNat,
    Traffic,
    Uplink,
)
from drivers.libvirt import routers
from drivers.libvirt.profile import HostProfile
from tests.peers.netns import Inside, Internet, Machine, internet, missing

HOST = HostProfile(accelerated=False, emulator="")
OUTSIDE, FIRST, SECOND = "198.51.100.1", "198.51.100.5", "198.51.100.6"
ANYBODY = Traffic(protocol="tcp")


@dataclass(frozen=True, slots=True)
class Scene:
    """Two guests behind a router, and somebody outside."""

    internet: Internet
    one: Machine
    two: Machine
    world: Machine
    spec: RouterSpec
    first: Lease
    second: Lease
    folder: str
    shell: Inside

    @property
    def net(self) -> GuestNet:
        return self.spec.nets[0]

    async def tell(self, **change: Any) -> None:
        """Tell the router of something else about its network, or about itself."""
        own = {name: change.pop(name) for name in list(change) if hasattr(self.net, name)}
        spec = replace(self.spec, nets=(replace(self.net, **own),), **change)
        await routers.run(self.shell, spec, HOST, folder=self.folder)

    async def lease(self, *come: Lease, gone: tuple[Lease, ...] = (), **marks: Any) -> Any:
        """Tell it other leases; it is at some mark afterwards. What of them was left out."""
        ids = tuple(one.nic_id for one in gone)
        change = LeaseChange(come=come, gone=ids, **{"now": uuid4().hex, **marks})
        router_id = self.spec.router_id
        return await routers.tell_leases(self.shell, router_id, change, folder=self.folder)

    async def mark(self) -> str:
        (status,) = await routers.listed(self.shell, folder=self.folder)
        return status.mark

    async def trouble(self) -> str:
        (status,) = await routers.listed(self.shell, folder=self.folder)
        return status.trouble


def _lease(machine: Machine, ip4: str, name: str) -> Lease:
    return Lease(nic_id=uuid4(), mac=machine.mac, ip4=ip4, name=name, domain="cloud.test")


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with internet() as net:
        one, two = await net.machine(net.inside), await net.machine(net.inside)
        world = await net.machine(net.outside)
        await world.address(f"{OUTSIDE}/24")
        spec = RouterSpec(
            router_id=uuid4(),
            life=0,
            nets=(
                GuestNet(
                    network_id=uuid4(),
                    segment=Segment(bridge=net.inside),
                    gateway="10.77.0.1",
                    cidr="10.77.0.0/24",
                    domain="cloud.test",
                    goes_open=True,
                ),
            ),
            uplink=Uplink(
                segment=Segment(bridge=net.outside),
                addresses=(f"{FIRST}/24", f"{SECOND}/24"),
                gateway=OUTSIDE,
                source_nat=FIRST,
            ),
        )
        leases = (_lease(one, "10.77.0.9", "one"), _lease(two, "10.77.0.10", "two"))
        made = Scene(net, one, two, world, spec, *leases, str(folder), net.place)
        try:
            await made.tell()
            await made.lease(*leases)
            await one.lease()
            await two.lease()
            yield made
        finally:
            await routers.remove(made.shell, spec.router_id, folder=made.folder)
        assert await routers.listed(made.shell, folder=made.folder) == []
        assert spec.router_id.hex[:12] not in await made.shell.must("ip", "netns")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Scene]:
    if lacking := missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"no router can be tried here: {lacking}")
        pytest.skip(f"no router can be tried here: {lacking}")
    async with scene(tmp_path / "routers") as made:
        yield made


async def test_guests_are_told_their_addresses_and_names(here: Scene) -> None:
    told = await here.two.lease()
    assert (told["ip"], told["mask"], told["router"]) == ("10.77.0.10", "24", "10.77.0.1")
    assert (told["dns"], told["domain"], told["name"]) == ("10.77.0.1", "cloud.test", "two")
    found = await here.one.run("busybox", "nslookup", "two.cloud.test", "10.77.0.1")
    assert "10.77.0.10" in found.stdout
    stranger = await here.internet.machine(here.internet.inside)
    assert await stranger.lease() == {}, "a card that nobody knows got an address"


async def test_a_card_beside_the_way_out_is_told_of_no_gateway(here: Scene) -> None:
    told = {"leads_out": False, "options": (("114", "http://told.test/"),)}
    assert await here.lease(replace(here.second, **told), was=await here.mark()) == {}
    assert (await here.two.lease())["router"] == ""
    assert (await here.one.lease())["router"] == "10.77.0.1"
    options = await here.shell.must("cat", f"{here.folder}/{here.spec.router_id}/options")
    assert f"tag:x{here.second.nic_id.hex[:12]},114,http://told.test/" in options


async def test_what_dhcp_cannot_say_is_left_out_and_told(here: Scene) -> None:
    """One guest's odd wish keeps nothing from the others, nor from itself what else it has."""
    odd = replace(here.second, options=(("3", "no address"), ("42", "192.0.2.1")))
    third = await here.internet.machine(here.internet.inside)
    more = _lease(third, "10.77.0.11", "three")
    left_out = await here.lease(odd, more, was=await here.mark())
    assert left_out == {here.second.nic_id: "option 3: bad IP address"}
    assert (await here.two.lease())["ip"] == "10.77.0.10"
    assert (await third.lease())["ip"] == "10.77.0.11"
    options = await here.shell.must("cat", f"{here.folder}/{here.spec.router_id}/options")
    assert "42,192.0.2.1" in options and "no address" not in options


async def test_a_change_of_leases_that_is_late_does_nothing(here: Scene) -> None:
    before = await here.mark()
    other = replace(here.first, ip4="10.77.0.77")
    assert await here.lease(other, was="another", now="m2") is None
    assert (await here.one.lease())["ip"] == "10.77.0.9" and await here.mark() == before
    assert await here.lease(other, was=before, now="m2") == {}
    assert await here.lease(here.first, was=before, now="m2") == {}, "told twice"
    assert (await here.one.lease())["ip"] == "10.77.0.77" and await here.mark() == "m2"


async def test_a_card_comes_while_dhcp_and_dns_go_on(here: Scene) -> None:
    third = await here.internet.machine(here.internet.inside)
    pid = await here.shell.must("cat", f"{here.folder}/{here.spec.router_id}/dnsmasq.pid")
    await here.lease(_lease(third, "10.77.0.11", "three"), was=await here.mark())
    assert (await third.lease())["ip"] == "10.77.0.11"
    asked = ("busybox", "nslookup", "three.cloud.test", "10.77.0.1")
    assert "10.77.0.11" in (await here.two.run(*asked)).stdout
    assert await here.shell.must("cat", f"{here.folder}/{here.spec.router_id}/dnsmasq.pid") == pid


async def test_a_card_that_is_gone_has_no_lease_and_no_name(here: Scene) -> None:
    asked = ("busybox", "nslookup", "one.cloud.test", "10.77.0.1")
    assert "10.77.0.9" in (await here.two.run(*asked)).stdout
    await here.lease(gone=(here.first,), was=await here.mark())
    assert await here.one.lease() == {}
    held = await here.shell.must("cat", f"{here.folder}/{here.spec.router_id}/held")
    assert here.two.mac in held and here.one.mac not in held, "whoever stays has to ask anew"
    assert "10.77.0.9" not in (await here.two.run(*asked)).stdout
    assert (await here.two.lease())["ip"] == "10.77.0.10"


async def test_an_address_goes_from_one_guest_to_the_next(here: Scene) -> None:
    third = await here.internet.machine(here.internet.inside)
    mark = await here.mark()
    await here.lease(gone=(here.first,), was=mark, now="m2")
    await here.lease(_lease(third, "10.77.0.9", "three"), was="m2", now="m3")
    assert (await third.lease())["ip"] == "10.77.0.9"
    asked = ("busybox", "nslookup", "three.cloud.test", "10.77.0.1")
    assert "10.77.0.9" in (await here.two.run(*asked)).stdout
    await here.lease(here.first, here.second)
    assert (await here.one.lease())["ip"] == "10.77.0.9", "told whole, it has not let go of it"
    assert await third.lease() == {}


async def test_beside_another_gateway_it_tells_and_carries_nothing(here: Scene) -> None:
    """A shared network: somebody else is the way out, and the router one machine more."""
    gateway = await here.internet.machine(here.internet.inside)
    await gateway.address("10.77.0.254/24")
    await here.tell(address="10.77.0.1", gateway="10.77.0.254", uplink=None)
    told = await here.two.lease()
    assert (told["ip"], told["router"], told["dns"]) == ("10.77.0.10", "10.77.0.254", "10.77.0.1")
    found = await here.one.run("busybox", "nslookup", "two.cloud.test", "10.77.0.1")
    assert "10.77.0.10" in found.stdout
    tail = here.spec.router_id.hex[:12]
    routes = await here.shell.must("ip", "-n", f"saga-{tail}", "route")
    assert "default via 10.77.0.254" in routes and f"p{tail}" not in await here.shell.must(
        "ip", "-o", "link"
    )
    async with gateway.serving(80, "gateway"):
        assert await here.one.call("10.77.0.254", 80) == "gateway 10.77.0.9"
    await here.tell()
    assert (await here.two.lease())["router"] == "10.77.0.1"


async def test_guests_go_out_by_one_address_and_nobody_comes_in(here: Scene) -> None:
    async with here.world.serving(8000, "world"), here.one.serving(80, "inner"):
        assert await here.one.call(OUTSIDE, 8000) == f"world {FIRST}"
        assert await here.world.call(FIRST, 80) == ""
        await here.world.run("ip", "route", "add", "10.77.0.0/24", "via", FIRST)
        assert await here.world.call("10.77.0.9", 80) == "", "the inside is reached by its address"


async def test_nobody_sends_in_another_name(here: Scene) -> None:
    """What a guest says that it comes from has to be of its network."""
    await here.one.address("203.0.113.9/32")
    counting = (
        "table ip seen { chain in { type filter hook input priority 0; ip saddr %s counter; }; }"
    )
    for sender, count in (("10.77.0.9", FIRST), ("203.0.113.9", "203.0.113.9")):
        await here.world.run("nft", "flush ruleset; " + counting % count)
        ping = ("ping", "-c", "1", "-W", "1", "-I", sender, OUTSIDE)
        await here.one.run("busybox", *ping)
        seen = (await here.world.run("nft", "list ruleset")).stdout
        assert ("packets 0 " in seen) is (sender == "203.0.113.9"), seen


async def test_ports_lead_in_for_whom_the_firewall_lets(here: Scene) -> None:
    asked = Forward(
        address=FIRST,
        protocol="tcp",
        first_port=8080,
        last_port=8081,
        to_ip4="10.77.0.9",
        to_first_port=80,
        to_last_port=81,
    )
    async with here.one.serving(80, "first"), here.one.serving(81, "second"):
        await here.tell(forwards=(asked,))
        assert await here.world.call(FIRST, 8080) == "", "a closed firewall let somebody in"
        for sources, answer in (
            (("203.0.113.0/24",), ""),
            (("203.0.113.0/24", f"{OUTSIDE}/32"), f"first {OUTSIDE}"),
        ):
            traffic = Traffic(protocol="tcp", first_port=8080, last_port=8081, sources=sources)
            await here.tell(forwards=(asked,), comes=(Line(address=FIRST, traffic=traffic),))
            assert await here.world.call(FIRST, 8080) == answer
        assert await here.world.call(FIRST, 8081) == f"second {OUTSIDE}"
        assert await here.two.call(FIRST, 8080) == "first 10.77.0.1", "from inside, by outside"


async def test_an_address_stands_for_a_guest_both_ways(here: Scene) -> None:
    async with here.two.serving(80, "two"), here.world.serving(8000, "world"):
        await here.tell(
            static_nats=(StaticNat(address=SECOND, to_ip4="10.77.0.10"),),
            comes=(Line(address=SECOND, traffic=ANYBODY),),
        )
        assert await here.world.call(SECOND, 80) == f"two {OUTSIDE}"
        assert await here.two.call(OUTSIDE, 8000) == f"world {SECOND}"
        assert await here.one.call(OUTSIDE, 8000) == f"world {FIRST}"


@pytest.mark.parametrize("by_source", [False, True])
async def test_connections_are_spread(here: Scene, by_source: bool) -> None:
    async with here.one.serving(80, "one"), here.two.serving(8080, "two"):
        balance = Balance(
            address=FIRST,
            protocol="tcp",
            port=9000,
            members=(("10.77.0.9", 80), ("10.77.0.10", 8080)),
            by_source=by_source,
        )
        await here.tell(balances=(balance,), comes=(Line(address=FIRST, traffic=ANYBODY),))
        answers = {(await here.world.call(FIRST, 9000)).split()[0] for _ in range(6)}
        assert len(answers) == (1 if by_source else 2), answers


async def test_what_leaves_is_what_may(here: Scene) -> None:
    async with here.world.serving(8000, "world"), here.world.serving(8001, "other"):
        rule = Traffic(protocol="tcp", first_port=8000, last_port=8000)
        for is_open, answers in ((False, (f"world {FIRST}", "")), (True, ("", f"other {FIRST}"))):
            await here.tell(goes=(Line(traffic=rule, allow=not is_open),), goes_open=is_open)
            assert (
                await here.one.call(OUTSIDE, 8000),
                await here.one.call(OUTSIDE, 8001),
            ) == answers
        elsewhere = replace(rule, targets=("203.0.113.0/24",))
        await here.tell(goes=(Line(traffic=elsewhere, allow=False),))
        assert await here.one.call(OUTSIDE, 8000) == f"world {FIRST}"


async def test_pings_are_let_in_like_all_else(here: Scene) -> None:
    assert not await here.world.pings(FIRST)
    ping = Traffic(protocol="icmp", icmp_type=8, icmp_code=0)
    await here.tell(comes=(Line(address=FIRST, traffic=ping),))
    assert await here.world.pings(FIRST)
    assert not await here.world.pings(SECOND)


async def test_what_is_broken_is_told_and_mended(here: Scene) -> None:
    tail, wire = here.spec.router_id.hex[:12], f"g{here.net.network_id.hex[:12]}"
    assert await here.trouble() == ""
    for breaks, word in (
        (("ip", "link", "set", wire, "nomaster"), f"off {here.internet.inside}"),
        (("ip", "netns", "exec", f"saga-{tail}", "nft", "flush", "ruleset"), "no rules"),
        (("pkill", "-f", f"{here.folder}/{here.spec.router_id}"), "DHCP and DNS have ended"),
        (("ip", "netns", "del", f"saga-{tail}"), "namespace is gone"),
    ):
        await here.shell.must(*breaks)
        assert word in await here.trouble()
        await here.tell()
        assert await here.trouble() == "", word
        assert (await here.one.lease())["ip"] == "10.77.0.9"


async def test_connections_go_on_while_other_rules_change(here: Scene) -> None:
    """A router that is told of one rule is not made anew: its wires stay what they are."""
    wire = f"/sys/class/net/g{here.net.network_id.hex[:12]}/ifindex"
    before = await here.shell.must("cat", wire)
    await here.tell(goes=(Line(traffic=Traffic(protocol="udp", first_port=53)),))
    assert await here.shell.must("cat", wire) == before
    await here.tell(life=1)
    assert await here.shell.must("cat", wire) != before


async def test_a_host_without_the_bridge_says_so(here: Scene) -> None:
    for bridge, why in (
        ("nowhere0", "there is no bridge nowhere0"),
        ("", "no traffic label"),
    ):
        net = replace(here.net, segment=Segment(bridge=bridge))
        lost = replace(here.spec, router_id=uuid4(), nets=(net,))
        with pytest.raises(Refused, match=why):
            await routers.run(here.shell, lost, HOST, folder=here.folder)
        await routers.remove(here.shell, lost.router_id, folder=here.folder)


async def test_tiers_are_joined_as_their_lists_let_them(here: Scene) -> None:
    """Two networks of one router: a line of each side has to let a packet pass."""
    third = await here.internet.machine(here.internet.outside)
    web = Line(traffic=Traffic(protocol="tcp", first_port=80, last_port=80))
    tier = GuestNet(
        network_id=uuid4(),
        segment=Segment(bridge=here.internet.outside),
        gateway="10.77.1.1",
        cidr="10.77.1.0/24",
        comes=(web,),
        goes=(replace(web, allow=False),),
        goes_open=True,
    )

    async def tell(*nets: GuestNet) -> None:
        spec = replace(here.spec, nets=nets)
        await routers.run(here.shell, spec, HOST, folder=here.folder)

    await tell(here.net, tier)
    await here.lease(_lease(third, "10.77.1.9", "three"), was=await here.mark())
    assert (await third.lease())["router"] == "10.77.1.1"
    async with third.serving(80, "three"), third.serving(81, "closed"), here.one.serving(80, "one"):
        assert await here.one.call("10.77.1.9", 80) == "three 10.77.0.9", "tiers see one another"
        assert await here.one.call("10.77.1.9", 81) == "", "no line lets that in"
        assert await third.call("10.77.0.9", 80) == "", "no line of the first lets that in"
        await tell(replace(here.net, comes=(web,)), tier)
        assert await third.call("10.77.0.9", 80) == "", "a line keeps that from going out"
        await tell(replace(here.net, comes=(web,)), replace(tier, goes=()))
        assert await third.call("10.77.0.9", 80) == "one 10.77.1.9"
    await here.tell()
    wire = f"g{tier.network_id.hex[:12]}"
    assert wire not in await here.shell.must("ip", "-o", "link"), "a tier that is gone has a wire"
