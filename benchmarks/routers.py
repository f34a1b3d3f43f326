"""What it takes to tell a host's router something new: a network of 10 guests, of 250, of 4,000.

A real one, in namespaces that the bench makes: its rules, addresses, DHCP and DNS. The limit is
what the machine takes to make a bare namespace with its two wires and one empty table of rules,
each by its own command, as the router's are. One change is a rule fewer, the other a guest more;
what the controller computes for it is beside that.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from benchmarks.skipped import Skipped
from drivers.contract.routing import (
    Forward,
    GuestNet,
    Lease,
    LeaseChange,
    Line,
    RouterSpec,
    Segment,
    Traffic,
    Uplink,
)
from drivers.libvirt import routers
from drivers.libvirt.profile import HostProfile
from tests.peers.netns import Internet, internet, missing

GUESTS, ROUNDS = (10, 250, 4_000), 7
HOST = HostProfile(accelerated=False, emulator="")
ADDRESS = "198.51.100.5"
BARE = """
ip netns add bare && ip link add b1 type veth peer name one netns bare &&
ip link add b2 type veth peer name two netns bare && ip link set b1 master inside up &&
ip link set b2 master outside up && ip -n bare link set one up && ip -n bare link set two up &&
ip netns exec bare nft add table ip bare && ip link del b1 && ip link del b2 && ip netns del bare
"""


def spec(guests: int) -> RouterSpec:
    """A network with so many guests, to every tenth of which a port of its own leads."""
    ports = range(1_000, 1_000 + guests // 10)
    net = GuestNet(
        network_id=uuid4(),
        segment=Segment(bridge="inside"),
        gateway="10.77.0.1",
        cidr="10.77.0.0/16",
        domain="cloud.test",
        comes=tuple(Line(address=ADDRESS, traffic=_to(port)) for port in ports),
        goes_open=True,
    )
    return RouterSpec(
        router_id=uuid4(),
        life=0,
        nets=(net,),
        uplink=Uplink(
            segment=Segment(bridge="outside"),
            addresses=(f"{ADDRESS}/24",),
            gateway="198.51.100.1",
            source_nat=ADDRESS,
        ),
        forwards=tuple(_forward(port) for port in ports),
    )


def _lease(number: int) -> Lease:
    high, low = divmod(number, 250)
    mac = f"02:00:00:00:{high:02x}:{low:02x}"
    return Lease(
        nic_id=UUID(int=number << 80), mac=mac, ip4=f"10.77.{high}.{low + 2}", name=f"g-{number}"
    )


def _to(port: int) -> Traffic:
    return Traffic(protocol="tcp", first_port=port, last_port=port)


def _forward(port: int) -> Forward:
    return Forward(
        address=ADDRESS,
        protocol="tcp",
        first_port=port,
        last_port=port,
        to_ip4="10.77.0.2",
        to_first_port=22,
        to_last_port=22,
    )


async def _ms(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return 1000 * (time.perf_counter() - began)


async def told(net: Internet, folder: str, guests: int) -> list[tuple[float, float]]:
    """Milliseconds, and of CPU in this process: to tell a router of a rule fewer, and of a guest
    more."""
    whole, leases = spec(guests), tuple(_lease(number) for number in range(guests))
    router_id = whole.router_id
    await routers.run(net.place, whole, HOST, folder=folder)
    everybody = LeaseChange(now="0", come=leases)
    await routers.tell_leases(net.place, router_id, everybody, folder=folder)
    rules, cards = [], []
    for number in range(1, ROUNDS + 1):
        fewer = replace(whole.nets[0], comes=whole.nets[0].comes[number:])
        changed = replace(whole, nets=(fewer,))
        rules.append(await _timed(routers.run(net.place, changed, HOST, folder=folder)))
        more = LeaseChange(was=f"{number - 1}", now=f"{number}", come=(_lease(guests + number),))
        telling = routers.tell_leases(net.place, router_id, more, folder=folder)
        cards.append(await _timed(telling))
    await routers.remove(net.place, router_id, folder=folder)
    return [
        (statistics.median(ms for ms, _ in one), statistics.median(cpu_ms for _, cpu_ms in one))
        for one in (rules, cards)
    ]


async def _timed(work: Awaitable[object]) -> tuple[float, float]:
    cpu_s = time.process_time()
    return await _ms(work), 1000 * (time.process_time() - cpu_s)


async def measure() -> list[dict[str, Any]]:
    if lacking := missing():
        raise Skipped(f"no router can be made here: {lacking}")
    with tempfile.TemporaryDirectory() as folder:
        async with internet() as net:
            bare = statistics.median(
                [await _ms(net.place.must("sh", "-c", BARE)) for _ in range(ROUNDS)]
            )
            found = [await told(net, folder, guests) for guests in GUESTS]
    return [
        {
            "name": f"routers.{what}_{guests}",
            "value": round(took),
            "unit": "ms",
            "limit": round(bare),
            "ratio": round(took / bare, 2),
            "note": f"{cpu:.0f} ms of it CPU of the controller; the limit is a bare namespace",
        }
        for guests, both in zip(GUESTS, found, strict=True)
        for what, (took, cpu) in zip(("told", "leased"), both, strict=True)
    ]


short = measure


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
