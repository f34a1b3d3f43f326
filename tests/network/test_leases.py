"""Who is on a network has its lease, and nobody else."""

from __future__ import annotations

import pytest

from drivers.contract.errors import Refused
from drivers.contract.routing import (
    LeaseChange,
    RouterSpec,
)
from drivers.kit import router_words
from drivers.sim.routed import Routed
from engine.routing import keeper, telling
from projections.addresses import Addresses
from tests.network.routed import (
    hasty,
    here,
    leased,
    leases,
    outside,
    routed,
    router_of,
    row,
    rows,
    served,
    soon,
    there,
    vm_named,
)
from tests.rules.world import address_for, guest_on, network_of
from tests.tenant.test_networks import share
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import Place

__all__ = ["hasty", "here"]


async def test_leases_are_told_singly(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes is told alone; a host that is elsewhere is told all, and so is one anew."""
    told: list[LeaseChange] = []
    take = Routed.take
    monkeypatch.setattr(
        Routed, "take", lambda one, change: (told.append(change), take(one, change))
    )
    network = await network_of(here.ann)
    for name in ("one", "two", "three"):
        await guest_on(here.ann, network["id"], name=name)
        await soon(f"{name} is told", lambda name=name: name in {one.name for one in leases(here)})
    assert [one.was is None for one in told] == [True] + [False] * (len(told) - 1)
    assert all(len(one.come) == 1 for one in told[1:]), told
    told.clear()
    (router,) = routed(here)
    router.mark = "another"
    router.leases.clear()
    await soon("its host is told all of them", lambda: len(leases(here)) == 3)
    assert [one.was for one in told] == [None]


async def test_what_dhcp_cannot_say_is_told_of_its_router(here: Place) -> None:
    """The guest has its address, the others theirs."""
    network = await network_of(here.ann)
    first = await network_of(here.ann, name="aside")
    vm = await guest_on(here.ann, first["id"], name="odd")
    odd = {"dhcpoptions[0].dhcp:6x6": "boot.test"}
    card = {"networkid": network["id"], "virtualmachineid": vm["id"]}
    await here.ann.job("addNicToVirtualMachine", **card, **odd)
    trouble = "guest odd: '6x6' is no option of DHCP: its number, or its name"
    await soon("it says so", lambda: trouble in [one.trouble for one in rows(here)])
    assert sorted(one.name for one in leases(here)) == ["odd", "odd"]


async def test_a_network_that_is_too_large_says_so(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its router, whose leases stay what they were until it is small enough."""
    monkeypatch.setattr(telling, "GUESTS_MAX", 1)
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"], name="one")
    await leased(here, "one")
    vm = await guest_on(here.ann, network["id"], name="two")
    await soon("it says so", lambda: row(here).trouble == telling.TOO_MANY)
    await guest_on(here.ann, network["id"], name="three")
    assert [one.name for one in leases(here)] == ["one"]
    await address_for(here.ann, network["id"])
    await served(here, lambda one: len(outside(one)) == 2)
    for gone in (vm["id"], (await vm_named(here, "three"))["id"]):
        await here.admin.job("destroyVirtualMachine", id=gone, expunge="true")
    await soon("it is well again", lambda: not row(here).trouble)
    await leased(here, "one")


async def test_one_card_of_a_guest_leads_out(here: Place) -> None:
    first, second = await network_of(here.ann), await network_of(here.ann, name="second")
    vm = await guest_on(here.ann, first["id"])
    await served(here)
    options = {"dhcpoptions[0].dhcp:66": "boot.test"}
    await here.ann.job(
        "addNicToVirtualMachine", networkid=second["id"], virtualmachineid=vm["id"], **options
    )
    await soon("both are served", lambda: len(there(here)) == 2)
    await soon("both have a lease", lambda: len(leases(here)) == 2)
    assert sorted(one.leads_out for one in leases(here)) == [False, True]
    aside = [one.options for one in leases(here) if not one.leads_out]
    assert aside == [(("66", "boot.test"),)]


async def test_a_shared_network_is_told_addresses_and_keeps_its_gateway(here: Place) -> None:
    """Its router is one machine more on it, with the last address; another leads out."""
    network = await share(here)
    vm = await deploy(here.ann, networkids=network["id"])
    spec = await served(here)
    (net,) = spec.nets
    assert (net.gateway, net.own_address) == ("10.9.0.1", "10.9.0.19")
    assert spec.uplink is None and not net.comes_open and not net.goes_open
    (lease,) = await leased(here, vm["name"])
    assert (lease.ip4, lease.mac) == (vm["nic"][0]["ipaddress"], vm["nic"][0]["macaddress"])
    other = await deploy(here.bob, networkids=network["id"])
    await leased(here, vm["name"], other["name"])
    assert (await router_of(here))["guestipaddress"] == "10.9.0.19"
    error = await refusal(here.ann, "deployVirtualMachine", **DEPLOY, ipaddress="10.9.0.19")
    assert "address 10.9.0.19 of network open is taken" in error["errortext"]

    more = {"networkid": network["id"], "forvirtualnetwork": "false", "netmask": "255.255.255.0"}
    beyond = {"gateway": "10.10.0.1", "startip": "10.10.0.5", "endip": "10.10.0.9"}
    await here.admin("createVlanIpRange", **more, **beyond)
    why = "guests at 10.10.0.5-10.10.0.9 are told no address"
    await soon("it says what it does not serve", lambda: why in row(here).trouble)
    await here.admin.job("restartNetwork", id=network["id"], cleanup="true")
    await served(here, lambda one: one.router_id != spec.router_id)
    assert row(here).guest_ip in ("10.9.0.18", "10.9.0.19")
    await leased(here, vm["name"], other["name"])
    for one in (vm, other):
        await here.admin.job("destroyVirtualMachine", id=one["id"], expunge="true")
    await leased(here)
    held = here.controller.cloud.view(Addresses).holds
    assert row(here).id in {taken.holder for taken in held.values()}
    await here.admin.job("deleteNetwork", id=network["id"])
    await soon("nothing is left", lambda: not there(here) and not rows(here))
    assert not [one for one in held.values() if one.purpose == "nic"]


async def test_a_shared_network_without_room_for_one_has_none(here: Place) -> None:
    network = await share(here, startip="10.9.0.10", endip="10.9.0.10")
    vm = await deploy(here.ann, networkids=network["id"])
    assert vm["state"] == "Running" and not rows(here)


async def test_guests_come_and_go_while_a_host_refuses_the_rules(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"], name="one")
    await leased(here, "one")
    said = "no such rule can be"

    def refuse(_: RouterSpec) -> str:
        raise Refused(said)

    monkeypatch.setattr(router_words, "rules", refuse)
    await here.ann.job("createEgressFirewallRule", networkid=network["id"], protocol="all")
    await soon("it says so", lambda: row(here).trouble == said)
    await guest_on(here.ann, network["id"], name="two")
    await leased(here, "one", "two")
    monkeypatch.undo()
    monkeypatch.setattr(keeper, "AGAIN_S", 0.05)
    await served(here, lambda one: bool(one.nets[0].goes))
    await soon("it is well again", lambda: not row(here).trouble)
