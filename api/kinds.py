"""CloudStack's words for kinds of things, and what may be hung on each.

A line is `word noun note: marks`. `note` is what annotations call the kind; `t` says that it can be
tagged, `d` that it can have details and `i` an icon. A noun that is not there yet has no things.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from api.authz import noun

OWNED = """
UserVm vm VM: tdi
Template template TEMPLATE: tdi
ISO iso ISO: tdi
Volume volume VOLUME: tdi
Snapshot snapshot SNAPSHOT: tdi
VMSnapshot vm_snapshot VM_SNAPSHOT: td
Network network NETWORK: tdi
PublicIpAddress public_ip_address PUBLIC_IP_ADDRESS: td
SecurityGroup security_group -: td
LoadBalancer load_balancer_rule -: td
PortForwardingRule port_forwarding_rule -: td
FirewallRule firewall_rule -: td
EgressFirewallRule egress_firewall_rule -: td
IpForwardingRule ip_forwarding_rule -: td
LBStickinessPolicy stickiness_policy -: td
Vpc vpc VPC: tdi
NetworkACL network_acl_item -: td
NetworkACLList network_acl -: td
StaticRoute static_route -: td
PrivateGateway private_gateway -: td
VpnGateway vpn_gateway -: td
CustomerGateway vpn_customer_gateway VPN_CUSTOMER_GATEWAY: td
VpnConnection vpn_connection -: td
RemoteAccessVpn remote_access_vpn -: td
SnapshotPolicy snapshot_policy -: td
AffinityGroup affinity_group AFFINITY_GROUP: td
InstanceGroup instance_group INSTANCE_GROUP: td
UserData user_data USER_DATA: td
SSHKeyPair ssh_key_pair SSH_KEYPAIR: td
Project project -: tdi
User user -: tdi
Account account -: i
Domain domain DOMAIN: i
"""
CATALOGUE = """
Zone zone ZONE: tdi
ServiceOffering service_offering SERVICE_OFFERING: td
DiskOffering disk_offering DISK_OFFERING: td
NetworkOffering network_offering NETWORK_OFFERING: td
VpcOffering vpc_offering VPC_OFFERING: td
GuestOs os_type -: td
GuestOsCategory os_category -: i
"""
ADMIN = """
Pod pod POD: t
Cluster cluster CLUSTER: t
Host host HOST: t
Storage storage_pool PRIMARY_STORAGE: td
SecondaryStorage image_store SECONDARY_STORAGE: t
SystemVm system_vm SYSTEM_VM: t
DomainRouter router VR: t
"""


@dataclass(frozen=True, slots=True)
class ThingKind:
    """One line of the tables above."""

    word: str
    noun: str
    note: str
    marks: str


def _read(text: str) -> Iterator[ThingKind]:
    for line in text.strip().splitlines():
        head, _, marks = line.partition(":")
        word, kind, note = head.split()
        yield ThingKind(word, kind, note.replace("-", ""), marks.strip())


KINDS = tuple(one for text in (OWNED, CATALOGUE, ADMIN) for one in _read(text))
BY_NOUN = {one.noun: one for one in KINDS}

TAGGABLE = {one.word.lower(): one.noun for one in KINDS if "t" in one.marks}
DETAILED = {one.word.lower(): one.noun for one in KINDS if "d" in one.marks}
PICTURED = {one.word.lower(): one.noun for one in KINDS if "i" in one.marks}
NOTED = {one.note.lower(): one.noun for one in KINDS if one.note}

# These may have no view of their own yet that says how they are guarded.
for _one in _read(OWNED):
    noun(_one.noun, "owned")


def word_of(kind: str) -> str:
    """What the wire calls a noun."""
    known = BY_NOUN.get(kind)
    return known.word if known else kind.title().replace("_", "")
