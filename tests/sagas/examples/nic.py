"""Examples of the sagas of nic."""

from __future__ import annotations

from aggregates.address import AddressSpaceCreated
from aggregates.network import NetworkCreated
from engine.draft import Draft
from engine.intents.nic import AddNic, RemoveNic
from engine.intents.vm import NicAsk
from engine.log import Unit
from projections.network import networks
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, ZONE, named, running

OTHER = named("other net")


async def _other_network(rig: Rig) -> None:
    if OTHER in rig.cloud[networks]:
        return
    draft = Draft(rig.cloud)
    created = NetworkCreated(
        name="other", display_text="other", account_id=ACCOUNT, domain_id=DOMAIN, zone_id=ZONE,
        offering_id=named("network offering"), guest_ip_type="Isolated", physical_network_id=None,
        gateway="10.2.1.1", netmask="255.255.255.0", cidr="10.2.1.0/24", start_ip="10.2.1.2",
        end_ip="10.2.1.254", vlan=None, acl_type="Account", network_domain="", dns1="", dns2="",
        is_displayed=True, services={},
    )  # fmt: skip
    draft.create(OTHER, created)
    addresses = AddressSpaceCreated(
        purpose="guest_ip4", zone_id=ZONE, network_id=OTHER, first=0x0A020102, last=0x0A0201FE
    )
    draft.create(named("other ips"), addresses)
    await rig.engine.runner.commits.append(Unit(draft.appends()), draft)


async def _add(rig: Rig) -> object:
    await _other_network(rig)
    vm_id = await running(rig)
    return AddNic(vm_id=vm_id, nic=NicAsk(nic_id=named("second nic"), network_id=OTHER))


async def _remove(rig: Rig) -> object:
    ask = await _add(rig)
    await rig.run(ask)
    return RemoveNic(vm_id=await running(rig), nic_id=named("second nic"))


EXAMPLES = {"nic.add:1": _add, "nic.remove:1": _remove}
