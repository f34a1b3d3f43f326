"""What several owners use side by side: shared networks, the Basic zone, and who has what kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from aggregates.vm import VmState
from engine.genesis import ADMIN_ACCOUNT
from engine.intents.affinity_group import SetAffinity
from engine.intents.dedication import Dedicate, Release
from engine.intents.network import CreateNetwork
from engine.intents.nic import AddNic
from engine.intents.physical_network import UpdatePhysicalNetwork
from engine.intents.record import UpdateRecord
from engine.intents.resource_limit import SetLimit
from engine.intents.security_group import AuthorizeTraffic, SetSecurityGroups
from engine.intents.vlan_ip_range import CreateVlanIpRange, RemoveVlanIpRange, UpdateVlanIpRange
from engine.intents.vm import NicAsk
from projections.account import accounts
from projections.affinity_group import affinity_groups
from projections.cluster import clusters
from projections.dedication import PLACES, dedications
from projections.host import hosts
from projections.network import Network, networks
from projections.physical_network import physical_networks
from projections.pod import pods
from projections.security_group import security_groups
from projections.vlan_ip_range import vlan_ip_ranges
from projections.zone import zones
from tests.sim.place import BASIC, POD_3, POD_4, SHARED, ZONES, basic_range
from tests.sim.wishes import wish
from tests.sim.wishes.guests import deploy_vm

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

SHARED_MAX = 5
RANGES = ((30, 35), (33, 39), (40, 43), (18, 20))
# Of the wires, and of nobody: what whoever makes a network may say.
VLANS = (None, 500, 501, 1500, 1501)
THERE = (VmState.RUNNING, VmState.STOPPED)


def _is_shared(network: Network) -> bool:
    return network.guest_ip_type == "Shared"


@wish(3, operator=True)
def create_shared_network(who: Tenants) -> object | None:
    """For an account, or for a domain and perhaps those below it."""
    if sum(map(_is_shared, who.cloud[networks])) >= SHARED_MAX:
        return None
    name, front = who.name("shared"), f"10.6.{who.pick(*range(8))}"
    is_domains, owner = who.rarely(0.6), who.owner()
    if is_domains:
        owner["account_id"] = ADMIN_ACCOUNT
    return CreateNetwork(
        network_id=who.new_id(), zone_id=who.pick(*ZONES[:2]), offering_id=SHARED, name=name,
        display_text=name, gateway=f"{front}.1", netmask="255.255.255.0", start_ip=f"{front}.10",
        end_ip=f"{front}.17", vlan=who.pick(*VLANS), subdomain_access=who.rarely(0.5),
        acl_type="Domain" if is_domains else "Account", **owner,
    )  # fmt: skip


@wish(3, operator=True)
def create_guest_range(who: Tenants) -> object | None:
    """More addresses for a shared network, or for a pod of the Basic zone."""
    network = who.one(networks, _is_shared)
    first, last = who.pick(*RANGES)
    if network is None or network.id == BASIC:
        pod_id, front = who.pick((POD_3, "10.5.0"), (POD_4, "10.5.1"))
        return CreateVlanIpRange(id=who.new_id(), fields=basic_range(pod_id, front, first, last))
    front = network.gateway.rpartition(".")[0]
    fields = {
        "zone_id": network.zone_id, "network_id": network.id, "for_virtual_network": False,
        "gateway": network.gateway, "netmask": network.netmask, "start_ip": f"{front}.{first}",
        "end_ip": f"{front}.{last}",
    }  # fmt: skip
    return CreateVlanIpRange(id=who.new_id(), fields=fields)


def _guest_range(who: Tenants) -> Any:
    return who.one(vlan_ip_ranges, lambda one: one.network_id is not None)


@wish(2, operator=True)
def update_guest_range(who: Tenants) -> object | None:
    row = _guest_range(who)
    if row is None or row.network_id is None:
        return None
    front = row.start_ip.rpartition(".")[0]
    return UpdateVlanIpRange(id=row.id, fields={"end_ip": f"{front}.{who.pick(20, 24, 34, 40)}"})


@wish(2, operator=True)
def remove_guest_range(who: Tenants) -> object | None:
    row = _guest_range(who)
    return row and RemoveVlanIpRange(id=row.id)


@wish(2, operator=True)
def change_vlans(who: Tenants) -> object | None:
    """Fewer for a while, or others beside them."""
    wire = who.one(physical_networks, lambda one: bool(one.vlans))
    vlans = who.pick("100-999", "100-104", "100-499,502-600", "100-999,1400-1600")
    return wire and UpdatePhysicalNetwork(id=wire.id, seed=who.new_id(), fields={"vlans": vlans})


# ---- guests on them --------------------------------------------------------------------------


def _may_use(network: Network, account_id: object) -> bool:
    return network.acl_type == "Domain" or network.account_id == account_id


@wish(6)
def deploy_shared(who: Tenants) -> object | None:
    """Somebody's guest on a network of many, perhaps with a card on another, in some groups."""
    ask, network = deploy_vm(who), who.one(networks, _is_shared)
    if ask is None or network is None or not _is_shared(network):
        return None
    owner = {"account_id": network.account_id, "domain_id": network.domain_id}
    owner = who.owner() if network.acl_type == "Domain" else owner
    mine = [
        one.id
        for one in who.cloud[networks].by("zone_id", network.zone_id)
        if one.id != network.id and one.vpc_id is None and _may_use(one, owner["account_id"])
        if _is_shared(one) or one.account_id == owner["account_id"]
    ]
    more = who.chance.rng.sample(mine, min(len(mine), who.pick(0, 0, 1, 2)))
    cards = [NicAsk(nic_id=who.new_id(), network_id=one) for one in (network.id, *more)]
    groups = _some(who, security_groups, owner["account_id"]) if network.id == BASIC else []
    return replace(
        ask, zone_id=network.zone_id, nics=cards, security_group_ids=groups,
        affinity_group_ids=tuple(_some(who, affinity_groups, owner["account_id"])),
        **owner, **_somewhere(who, network),
    )  # fmt: skip


def _some(who: Tenants, spec: Any, account_id: object) -> list[Any]:
    """Up to three of what an account has."""
    mine = [one.id for one in who.cloud[spec].by("account_id", account_id)]
    return who.chance.rng.sample(mine, min(len(mine), who.pick(0, 1, 2, 3)))


def _somewhere(who: Tenants, network: Network) -> dict[str, Any]:
    """Now and then where a guest is to run."""
    name, spec = who.pick(("pod_id", pods), ("cluster_id", clusters), ("host_id", hosts))
    there = list(who.cloud[spec].by("zone_id", network.zone_id))
    return {name: who.pick(*there).id} if there and who.rarely(0.3) else {}


@wish(4)
def add_shared_nic(who: Tenants) -> object | None:
    vm = who.vm(*THERE)
    on = {nic.network_id for nic in vm.nics} if vm is not None else set()
    found = [
        one.id
        for one in who.cloud[networks]
        if vm and _is_shared(one) and one.zone_id == vm.zone_id and _may_use(one, vm.account_id)
        if one.id not in on or who.rarely(0.1)
    ]
    card = NicAsk(nic_id=who.new_id(), network_id=who.pick(*found)) if found else None
    return card and AddNic(vm_id=vm.id, nic=card)


# ---- groups ----------------------------------------------------------------------------------


@wish(2)
def join_security_groups(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    groups = _some(who, security_groups, vm.account_id) if vm is not None else []
    return vm and SetSecurityGroups(vm_id=vm.id, security_group_ids=groups)


@wish(1)
def rename_security_group(who: Tenants) -> object | None:
    group = who.one(security_groups)
    name = who.pick(who.name("group"), "default", "same")
    return group and UpdateRecord(kind="security_group", id=group.id, fields={"name": name})


@wish(2)
def authorize_many(who: Tenants) -> object | None:
    """Subnets and groups at once, some of them twice."""
    group, rows = who.one(security_groups), list(who.cloud[security_groups])
    fields = {
        "protocol": who.pick("tcp", "udp"), "start_port": 1, "end_port": who.pick(80, 443),
        "is_egress": who.rarely(0.5),
    }  # fmt: skip
    return group and AuthorizeTraffic(
        security_group_id=group.id, batch=who.new_id(), fields=fields,
        cidrs=["10.0.0.0/8", who.pick("10.0.0.0/8", "10.9.0.0/16")],
        peer_group_ids=[who.pick(*rows).id, who.pick(*rows).id],
    )  # fmt: skip


@wish(3)
def join_affinity_groups(who: Tenants) -> object | None:
    """Several, or none any more."""
    vm = who.vm(VmState.STOPPED)
    groups = _some(who, affinity_groups, vm.account_id) if vm is not None else []
    return vm and SetAffinity(vm_id=vm.id, group_ids=tuple(groups))


# ---- what is kept for somebody, and how much of it -------------------------------------------

KEPT = {"zone_id": zones, "pod_id": pods, "cluster_id": clusters, "host_id": hosts}


@wish(1, operator=True)
def dedicate_place(who: Tenants) -> object | None:
    place, owner = who.pick(*PLACES[1:], "host_id"), who.owner()
    row: Any = who.one(KEPT[place])
    if who.rarely(0.4):
        owner.pop("account_id")
    return row and Dedicate(id=who.new_id(), place=place, place_id=row.id, **owner)


@wish(3, operator=True)
def release_place(who: Tenants) -> object | None:
    kept = who.one(dedications)
    place = kept and next(name for name in PLACES if getattr(kept, name) is not None)
    return place and Release(place=place, place_id=getattr(kept, place))


@wish(1)
def limit_low(who: Tenants) -> object | None:
    """Below what is there, perhaps: nothing more of it then, and nothing less."""
    row = who.one(accounts, lambda one: one.role_type != "Admin")
    return row and SetLimit(
        id=who.new_id(), owner_kind="account", owner_id=row.id, maximum=who.pick(-1, -1, 0, 1),
        resource=who.pick("user_vm", "volume", "network", "memory", "cpu", "primary_storage"),
    )  # fmt: skip
