"""Networks, cards of hosts, VLANs and bonds."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.peers.xapi.calls import Context, message
from tests.peers.xapi.model import NULL
from tests.peers.xapi.store import Store, XapiError


def add_network(store: Store, name: str, *, bridge: str = "") -> str:
    bridge = bridge or f"xapi{uuid4().hex[:4]}"
    return store.add("network", name_label=name, bridge=bridge, MTU=1500, managed=True)


def add_card(store: Store, host: str, network: str, device: str, *, management: bool) -> str:
    """A physical card of a host; untagged traffic has the VLAN -1."""
    mac = "0c:c4:7a:" + ":".join(f"{byte:02x}" for byte in uuid4().bytes[:3])
    return store.add(
        "PIF", device=device, network=network, host=host, MAC=mac, MTU=1500, VLAN=-1,
        physical=True, currently_attached=True, management=management,
        ip_configuration_mode="Static" if management else "None",
        IP=store.get("host", host)["address"] if management else "",
    )  # fmt: skip


def add_bond(store: Store, host: str, network: str, cards: list[str]) -> str:
    """A bond's own card is the master; traffic goes through it and not through its slaves."""
    master = add_card(store, host, network, "bond0", management=False)
    store.put(master, physical=False)
    bond = store.add("Bond", master=master, mode="balance-slb", primary_slave=cards[0])
    for card in cards:
        store.put(card, bond_slave_of=bond, currently_attached=False)
    return bond


@message("network.create", "map_any")
def network_create(c: Context, record: dict[str, Any]) -> str:
    if not isinstance(record.get("name_label"), str):
        raise XapiError("FIELD_TYPE_ERROR", "name_label")
    made = add_network(c.store, record["name_label"])
    c.store.put(
        made,
        name_description=record.get("name_description", ""),
        other_config=dict(record.get("other_config", {})),
    )
    return made


@message("network.destroy", "ref network")
def network_destroy(c: Context, network: str) -> None:
    for pif in c.store.refs("PIF", network=network):
        raise XapiError("NETWORK_CONTAINS_PIF", network, pif)
    for vif in c.store.refs("VIF", network=network):
        if c.store.get("VIF", vif)["currently_attached"]:
            raise XapiError("NETWORK_CONTAINS_VIF", network, vif)
        c.store.remove(vif)
    c.store.remove(network)


def _tag(c: Context, pif: str, network: str, tag: int) -> str:
    store, under = c.store, c.store.get("PIF", pif)
    if not 0 <= tag <= 4094:
        raise XapiError("VLAN_TAG_INVALID", tag)
    if under["VLAN"] != -1:
        raise XapiError("PIF_IS_VLAN", pif)
    if store.has("Bond", under["bond_slave_of"]):
        raise XapiError("CANNOT_ADD_VLAN_TO_BOND_SLAVE", pif)
    for other in store.refs("PIF", host=under["host"], device=under["device"], VLAN=tag):
        raise XapiError("PIF_VLAN_EXISTS", other)
    for other in store.refs("PIF", host=under["host"], network=network):
        raise XapiError("NETWORK_ALREADY_CONNECTED", under["host"], other)
    made = store.add(
        "PIF", device=under["device"], network=network, host=under["host"], MAC=under["MAC"],
        MTU=under["MTU"], VLAN=tag, currently_attached=True, ip_configuration_mode="None",
    )  # fmt: skip
    vlan = store.add("VLAN", tagged_PIF=pif, untagged_PIF=made, tag=tag)
    store.put(made, VLAN_master_of=vlan)
    return made


@message("pool.create_VLAN_from_PIF", "ref PIF", "ref network", "int")
async def create_vlan_from_pif(c: Context, pif: str, network: str, tag: int) -> list[str]:
    """On each host's card of the same name."""
    device = c.store.get("PIF", pif)["device"]
    if c.store.get("PIF", pif)["VLAN"] != -1:
        raise XapiError("PIF_IS_VLAN", pif)
    async with c.working("create_VLAN"):
        return [
            _tag(c, one, network, int(tag)) for one in c.store.refs("PIF", device=device, VLAN=-1)
        ]


@message("VLAN.create", "ref PIF", "int", "ref network")
def vlan_create(c: Context, pif: str, tag: int, network: str) -> str:
    made = _tag(c, pif, network, int(tag))
    return str(c.store.get("PIF", made)["VLAN_master_of"])


@message("VLAN.destroy", "ref VLAN")
def vlan_destroy(c: Context, vlan: str) -> None:
    pif = c.store.get("VLAN", vlan)["untagged_PIF"]
    c.store.remove(vlan)
    c.store.remove(pif)


__all__ = ["NULL", "add_bond", "add_card", "add_network"]
