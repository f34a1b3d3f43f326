"""What every driver promises whose hosts run the routers of guest networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, cast, runtime_checkable
from uuid import UUID, uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, must
from drivers.contract.errors import Refused
from drivers.contract.routing import (
    Forward,
    GuestNet,
    Lease,
    LeaseChange,
    Line,
    RouterSpec,
    Routing,
    Segment,
    Traffic,
    Uplink,
)

SUITE = Suite()
ADDRESS = "192.0.2.5"


@runtime_checkable
class RoutedHarness(Protocol):
    """A harness whose first host has networks that a router can be between."""

    async def segments(self) -> tuple[Segment, Segment]:
        """Where guests are, and where everybody else is."""


async def _spec(rig: Rig) -> RouterSpec:
    """A router with a lease, a way out and a port that leads in."""
    if not rig.capabilities.routers:
        raise Exempt("no router runs on hosts of this kind")
    if not isinstance(rig.harness, RoutedHarness):
        raise Exempt("the harness has no networks for a router")
    guests, outside = await rig.harness.segments()
    return RouterSpec(
        router_id=uuid4(),
        life=1,
        nets=(_net(guests, 0), _net(guests, 1)),
        uplink=Uplink(
            segment=outside,
            addresses=(f"{ADDRESS}/24",),
            gateway="192.0.2.1",
            source_nat=ADDRESS,
        ),
        resolvers=("192.0.2.53",),
        forwards=(
            Forward(
                address=ADDRESS,
                protocol="tcp",
                first_port=22,
                last_port=22,
                to_ip4="10.7.0.9",
                to_first_port=22,
                to_last_port=22,
            ),
        ),
    )


def _net(segment: Segment, number: int) -> GuestNet:
    ssh = Traffic(protocol="tcp", first_port=22)
    return GuestNet(
        network_id=uuid4(),
        segment=segment,
        gateway=f"10.7.{number}.1",
        cidr=f"10.7.{number}.0/24",
        domain="cloud.test",
        comes=(Line(traffic=ssh, address=ADDRESS), Line(traffic=ssh, allow=False)),
    )


def _routing(rig: Rig) -> Routing:
    return cast(Routing, rig.session)


def _lease(number: int, **more: Any) -> Lease:
    mac = f"02:00:00:00:07:{number:02x}"
    return Lease(nic_id=uuid4(), mac=mac, ip4=f"10.7.0.{number}", name=f"guest-{number}", **more)


async def _seen(rig: Rig, spec: RouterSpec) -> tuple[str, str] | None:
    """Digest and trouble of a router, as its host tells them; None if it is not there."""
    there = await rig.within(_routing(rig).list_routers())
    return next(((r.digest, r.trouble) for r in there if r.router_id == spec.router_id), None)


@SUITE.promise
async def a_router_is_what_it_was_told_last(rig: Rig) -> None:
    """A router runs as it was told last, told twice is told once, and removed it is gone."""
    spec, host = await _spec(rig), _routing(rig)
    must(await _seen(rig, spec) is None, "a router is there that nobody made")
    await rig.within(host.remove_router(spec.router_id, key=uuid4()))
    try:
        (first, second), closed = spec.nets, replace(spec, forwards=())
        for told in (spec, spec, closed, replace(spec, nets=(second,)), replace(spec, life=2)):
            await rig.within(host.run_router(told, key=uuid4()))
            must(await _seen(rig, spec) == (told.digest, ""), f"it is not as told: {told}")
        inner = replace(closed, uplink=None, nets=(replace(first, serves_dns=False),))
        await rig.within(host.run_router(inner, key=uuid4()))
        must(await _seen(rig, spec) == (inner.digest, ""), "it did not let go of its way out")
    finally:
        await rig.within(host.remove_router(spec.router_id, key=uuid4()))
    must(await _seen(rig, spec) is None, "a router that was removed is there")
    await rig.within(host.remove_router(spec.router_id, key=uuid4()))


async def _mark(rig: Rig, spec: RouterSpec) -> str:
    there = await rig.within(_routing(rig).list_routers())
    return next(one.mark for one in there if one.router_id == spec.router_id)


@SUITE.promise
async def leases_are_told_from_mark_to_mark(rig: Rig) -> None:
    """Leases follow each other from mark to mark; a change that is late or lost does nothing."""
    spec, host = await _spec(rig), _routing(rig)
    one, two, three = _lease(9), _lease(10), _lease(11)

    async def told(change: LeaseChange) -> dict[UUID, str] | None:
        return await rig.within(host.tell_leases(spec.router_id, change, key=uuid4()))

    first = LeaseChange(now="m1", come=(one, two))
    second = LeaseChange(was="m1", now="m2", come=(three,), gone=(one.nic_id,))
    must(await told(first) is None, "a router that is not there was told leases")
    try:
        await rig.within(host.run_router(spec, key=uuid4()))
        must(await _mark(rig, spec) == "", "it has leases that nobody told")
        must(await told(second) is None, "it has taken a change of what it never had")
        for change in (first, first, second, second):
            must(await told(change) == {}, f"it was not told {change}")
            must(await _mark(rig, spec) == change.now, f"it is not at {change.now}")
        must(await told(replace(second, now="m3")) is None, "it has taken a change that is late")
        await rig.within(host.run_router(replace(spec, forwards=()), key=uuid4()))
        must(await _mark(rig, spec) == "m2", "its leases went with its rules")
        odd = _lease(12, options=(("66; dhcp-script=/bin/sh", "x"),))
        left_out = await told(LeaseChange(was="m2", now="m3", come=(odd, replace(two, name="b"))))
        must(left_out is not None and set(left_out) == {odd.nic_id}, f"left out: {left_out}")
        must(await told(LeaseChange(now="m4")) == {}, "it did not let go of its leases")
        must(await _seen(rig, spec) is not None and await _mark(rig, spec) == "m4", "not at m4")
    finally:
        await rig.within(host.remove_router(spec.router_id, key=uuid4()))


@SUITE.promise
async def a_router_that_was_given_up_is_made_whole(rig: Rig) -> None:
    """A router that was cancelled on its way, at any moment, is whole when it is told again."""
    spec, host = await _spec(rig), _routing(rig)
    try:
        for after_s in (0.0, 0.02, 0.05, 0.1):
            await rig.cancelled(host.run_router(spec, key=uuid4()), after_s=after_s)
            await rig.within(host.run_router(spec, key=uuid4()))
            must(await _seen(rig, spec) == (spec.digest, ""), f"broken after {after_s} s")
            await rig.cancelled(host.remove_router(spec.router_id, key=uuid4()), after_s=after_s)
            await rig.within(host.remove_router(spec.router_id, key=uuid4()))
            must(await _seen(rig, spec) is None, f"something is left after {after_s} s")
    finally:
        await rig.within(host.remove_router(spec.router_id, key=uuid4()))


@SUITE.promise
async def what_no_router_can_do_is_refused(rig: Rig) -> None:
    """A rule that cannot be is refused, and what the router did before goes on."""
    spec, host = await _spec(rig), _routing(rig)
    wrong = replace(spec, forwards=(replace(spec.forwards[0], protocol="tcp; flush ruleset"),))
    try:
        await rig.within(host.run_router(spec, key=uuid4()))
        await rig.refuses(host.run_router(wrong, key=uuid4()), Refused)
        must(await _seen(rig, spec) == (spec.digest, ""), "it is not as it was before")
    finally:
        await rig.within(host.remove_router(spec.router_id, key=uuid4()))
