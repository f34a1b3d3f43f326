"""What a guest is told on a small disc, laid out as cloud-init and CloudStack's scripts read it.

A guest on a network whose offering has UserData by ConfigDrive has such a disc in a drive of its
own. It is made anew at every start, so what was reset since the last one is on it. The password
is there once: at the start that brings it.

`openstack/latest` is OpenStack's layout (its "config drive" documentation), `cloudstack` is that
of CloudStack's guests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from aggregates.network import Network
from aggregates.vm import Nic, Vm
from engine.saga import Run
from projections.network import networks
from projections.service_offering import service_offerings
from projections.zone import zones

PROVIDER = "ConfigDrive"
Files = tuple[tuple[str, bytes], ...]


def tells(run: Run[Any], vm: Vm) -> bool:
    """Whether some network of the guest gives it its data on a disc."""
    cards = (run.cloud[networks][nic.network_id] for nic in vm.nics)
    return any(PROVIDER in network.services.get("UserData", ()) for network in cards)


def files_for(run: Run[Any], vm: Vm, password: str) -> Files:
    """The files of the guest's disc; none if no network of it gives its data that way."""
    if not tells(run, vm):
        return ()
    cards = [(nic, run.cloud[networks][nic.network_id]) for nic in vm.nics]
    told = base64.b64decode(vm.user_data)
    found = {
        "openstack/latest/meta_data.json": _json(_meta(run, vm, password)),
        "openstack/latest/network_data.json": _json(_wiring(cards)),
        "openstack/latest/vendor_data.json": b"{}",
        "openstack/latest/vendor_data": b"{}",
    }
    if told:
        found["openstack/latest/user_data"] = told
        found["cloudstack/userdata/user_data.txt"] = told
    for name, text in _plain(run, vm):
        found[f"cloudstack/metadata/{name}.txt"] = text.encode()
    if password:
        found["cloudstack/password/vm_password.txt"] = password.encode()
    return tuple(sorted(found.items()))


def _meta(run: Run[Any], vm: Vm, password: str) -> dict[str, Any]:
    """What cloud-init calls the guest's metadata; its named parameters are beside the usual."""
    zone = run.cloud[zones][vm.zone_id]
    usual: dict[str, Any] = {
        "uuid": str(vm.id),
        "name": vm.name,
        "hostname": vm.name,
        "local-hostname": vm.name,
        "instance-id": str(vm.id),
        "availability_zone": zone.name,
        "launch_index": 0,
        "public_keys": dict(zip(vm.key_pairs, vm.public_keys, strict=False)),
        "meta": dict(vm.user_data_details),
    }
    if password:
        usual["admin_pass"] = password
    return dict(vm.user_data_details) | usual


def _wiring(cards: list[tuple[Nic, Network]]) -> dict[str, Any]:
    """The guest's cards and addresses, for a guest that is not to ask DHCP."""
    links, subnets, servers = [], [], dict[str, None]()
    for number, (nic, network) in enumerate(cards):
        link = f"eth{number}"
        links.append({"id": link, "type": "phy", "ethernet_mac_address": nic.mac})
        if not nic.ip4:
            continue
        routes = [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": nic.gateway}]
        subnet: dict[str, Any] = {
            "id": f"network{number}",
            "network_id": str(network.id),
            "link": link,
            "type": "ipv4",
            "ip_address": nic.ip4,
            "netmask": nic.netmask,
            "routes": routes if nic.is_default and nic.gateway else [],
        }
        subnets.append(subnet)
        servers |= {address: None for address in (network.dns1, network.dns2) if address}
    services = [{"type": "dns", "address": address} for address in servers]
    return {"links": links, "networks": subnets, "services": services}


def _plain(run: Run[Any], vm: Vm) -> Iterator[tuple[str, str]]:
    """One file for each fact, as CloudStack's own guest scripts read them."""
    offering = run.cloud[service_offerings].get(vm.service_offering_id)
    card = next((nic for nic in vm.nics if nic.is_default), None)
    yield "availability-zone", run.cloud[zones][vm.zone_id].name
    yield "instance-id", str(vm.id)
    yield "vm-id", str(vm.id)
    yield "local-hostname", vm.name
    yield "service-offering", "" if offering is None else offering.name
    yield "local-ipv4", "" if card is None else card.ip4
    yield "public-keys", "".join(f"{key}\n" for key in vm.public_keys)
    yield "cloud-identifier", f"CloudStack-{{{vm.zone_id}}}"


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()
