"""Lists of what does not exist yet. Clients ask for them, so they answer: nothing, well formed.

Clients ask these beside what they really want: libcloud wants forwarding rules whenever it lists
guests, Terraform wants tags and projects. A command that exists makes its line here idle: `fill`
is called when every other module has been read.

A line is `command key roles: parameters`. `zoneid:zone` is an id of that noun, `forvpc?` a flag,
`id#` a number, `services*` words with commas, anything else text; `!` is required, and OWNED is
what every list of owned things takes. `key@envelope` says an envelope that is irregular.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import make_dataclass
from typing import Annotated, Any
from uuid import UUID

from api.authz import NOUNS as GUARDED
from api.authz import Scope, noun
from api.declare import REGISTRY, Bound, Caller, Free, Names, Page, Wire, register
from api.lists import cut
from api.views.infrastructure import NamedView

OWNED = "account domainid:domain isrecursive? listall? projectid:project"

NOTHING = """
listPortForwardingRules portforwardingrule ARDU: OWNED id:port_forwarding_rule
    ipaddressid:public_ip_address networkid:network
listIpForwardingRules ipforwardingrule ARDU: OWNED id:ip_forwarding_rule
    ipaddressid:public_ip_address virtualmachineid:vm
listFirewallRules firewallrule ARDU: OWNED id:firewall_rule ipaddressid:public_ip_address
    networkid:network
listEgressFirewallRules firewallrule ARDU: OWNED id:firewall_rule
    ipaddressid:public_ip_address networkid:network
listLoadBalancerRules loadbalancerrule ARDU: OWNED id:load_balancer_rule name networkid:network
    publicipid:public_ip_address virtualmachineid:vm zoneid:zone
listLoadBalancerRuleInstances loadbalancerruleinstance ARDU: applied? id:load_balancer_rule!
    lbvmips?
listLoadBalancers loadbalancer ARDU: OWNED id:load_balancer name networkid:network scheme
listLBStickinessPolicies stickinesspolicies ARDU: id:stickiness_policy
    lbruleid:load_balancer_rule
listSecurityGroups securitygroup ARDU: OWNED id:security_group securitygroupname
    virtualmachineid:vm
listAffinityGroups affinitygroup ARDU: OWNED id:affinity_group name type virtualmachineid:vm
listInstanceGroups instancegroup ARDU: OWNED id:instance_group name
listSnapshots snapshot ARDU: OWNED id:snapshot ids*:snapshot intervaltype name snapshottype
    volumeid:volume zoneid:zone
listSnapshotPolicies snapshotpolicy ARDU: id:snapshot_policy volumeid:volume
listVMSnapshot vmSnapshot ARDU: OWNED name state virtualmachineid:vm vmsnapshotid:vm_snapshot
    vmsnapshotids*:vm_snapshot
listTags tag ARDU: OWNED customer key resourceid:? resourcetype value
listProjects project ARDU: account displaytext domainid:domain id:project isrecursive? listall?
    name state username
listProjectAccounts projectaccount ARDU: account projectid:project! role userid:user
listProjectInvitations projectinvitation ARDU: OWNED activeonly? id:project_invitation state
    userid:user
listVPCs vpc ARDU: OWNED cidr displaytext id:vpc name restartrequired? state supportedservices*
    vpcofferingid:vpc_offering zoneid:zone
listVPCOfferings vpcoffering ARDU: displaytext id:vpc_offering isdefault? name state
    supportedservices* zoneid:zone
listNetworkACLLists networkacllist ARDU: OWNED id:network_acl name networkid:network vpcid:vpc
listNetworkACLs networkacl ARDU: OWNED aclid:network_acl action id:network_acl_item
    networkid:network protocol traffictype
listPrivateGateways privategateway ARDU: OWNED id:private_gateway ipaddress state vlan vpcid:vpc
listStaticRoutes staticroute ARDU: OWNED gatewayid:private_gateway id:static_route state vpcid:vpc
listVpnConnections vpnconnection ARDU: OWNED id:vpn_connection vpcid:vpc
listVpnGateways vpngateway ARDU: OWNED id:vpn_gateway vpcid:vpc
listVpnCustomerGateways vpncustomergateway ARDU: OWNED id:vpn_customer_gateway
listVpnUsers vpnuser ARDU: OWNED id:vpn_user username
listRemoteAccessVpns remoteaccessvpn ARDU: OWNED id:remote_access_vpn networkid:network
    publicipid:public_ip_address
listUserData userdata ARDU: OWNED id:user_data name
listAutoScalePolicies autoscalepolicy ARDU: OWNED action id:autoscale_policy name
listAutoScaleVmProfiles autoscalevmprofile ARDU: OWNED id:autoscale_profile
    serviceofferingid:service_offering templateid:template zoneid:zone
listAutoScaleVmGroups autoscalevmgroup ARDU: OWNED id:autoscale_group name zoneid:zone
listKubernetesClusters kubernetescluster ARDU: OWNED id:kubernetes_cluster name state
listKubernetesSupportedVersions kubernetessupportedversion ARDU: id:kubernetes_version zoneid:zone
listLdapConfigurations LdapConfiguration@ldapconfigurationresponse ARDU: domainid:domain hostname
    listall? port#
listAnnotations annotation A: annotationfilter entityid:? entitytype
listSystemVms systemvm AR: arch hostid:host id:system_vm name podid:pod state
    storageid:storage_pool systemvmtype zoneid:zone
listRouters router ARD: OWNED arch clusterid:cluster fetchhealthcheckresults? forvpc?
    healthchecksfailed? hostid:host id:router name networkid:network podid:pod state version
    vpcid:vpc zoneid:zone
listInternalLoadBalancerVMs internalloadbalancervm@listinternallbvmsresponse A: OWNED
    fetchhealthcheckresults? forvpc? hostid:host id:router name networkid:network podid:pod state
    vpcid:vpc zoneid:zone
listObjectStoragePools objectstore ARDU: id:object_store name provider
listVmwareDcs VMwareDC A: zoneid:zone!
listSwifts imagestore A: id#
listStorageNetworkIpRange storagenetworkiprange A: id:storage_network_ip_range podid:pod
    zoneid:zone
listDedicatedZones dedicatedzone A: account domainid:domain zoneid:zone
listDedicatedPods dedicatedpod A: account domainid:domain podid:pod
listDedicatedClusters dedicatedcluster A: account clusterid:cluster domainid:domain
listDedicatedHosts dedicatedhost A: account domainid:domain hostid:host
"""

# No id of these is known to anybody, so it does not matter yet how they will be guarded.
NOUNS = """
port_forwarding_rule ip_forwarding_rule firewall_rule load_balancer_rule load_balancer
stickiness_policy security_group affinity_group instance_group snapshot snapshot_policy vm_snapshot
project_invitation vpc vpc_offering network_acl network_acl_item private_gateway static_route
vpn_connection vpn_gateway vpn_customer_gateway vpn_user remote_access_vpn user_data
autoscale_policy autoscale_profile autoscale_group kubernetes_cluster kubernetes_version router
"""
ADMIN_NOUNS = "system_vm object_store storage_network_ip_range"


async def run(self: Any, caller: Caller) -> Page:
    """There is nothing, whatever was asked; paging is checked all the same."""
    return Page(0, cut([], self.page, self.pagesize, caller))


def param(text: str) -> tuple[Any, ...]:
    """One parameter, as the lines above write it, as a field of the command."""
    required, bare = text.endswith("!"), text.rstrip("!")
    wire, names, kind = bare.partition(":")
    one: Any = UUID if kind not in ("", "?") else bool if wire.endswith("?") else str
    one = int if wire.endswith("#") else one
    hint: Any = tuple[one, ...] if wire.endswith("*") else one
    wire = wire.rstrip("?#*")
    marks: list[Any] = [Wire(name=wire)]
    if kind == "?":
        marks.append(Free("there is nothing that it could name"))
    elif names:
        marks.append(Names(kind, right="see", every=kind == "project"))
    elif wire in ("page", "pagesize"):
        marks.append(Bound(1 if wire == "page" else -1))
    doc = "which ones; there are none"
    typed = Annotated[hint if required else hint | None, doc, *marks]  # type: ignore[valid-type]
    return (wire, typed) if required else (wire, typed, None)


def declare(name: str, key: str, allow: str, params: str) -> None:
    """Register a list that answers with nothing."""
    words = [*params.replace("OWNED", OWNED).split(), "keyword", "page#", "pagesize#"]
    key, _, envelope = key.partition("@")
    body = {"__doc__": f"List {key}. There are none yet.", "run": run, "__module__": __name__}
    made = make_dataclass(name, map(param, words), frozen=True, kw_only=True, namespace=body)
    register(
        name,
        made,
        returns=NamedView,
        allow=allow,
        key=key,
        shape="list",
        is_async=False,
        creates=False,
        envelope=envelope or f"{name.lower()}response",
        since="4.0",
        action="",
        reads=True,
        public=False,
    )


def lines() -> Iterator[tuple[str, str, str, str]]:
    """Each line of the table above, taken apart; an indented line goes on with the one before."""
    for line in NOTHING.replace("\n    ", " ").strip().splitlines():
        head, _, params = line.partition(": ")
        name, key, allow = head.split()
        yield name, key, allow, params


def fill() -> None:
    """Declare what nothing else declares."""
    scopes: tuple[tuple[str, Scope], ...] = ((NOUNS, "owned"), (ADMIN_NOUNS, "admin"))
    for names, scope in scopes:
        for kind in names.split():
            if kind not in GUARDED:
                noun(kind, scope)
    for name, key, allow, params in lines():
        if name not in REGISTRY:
            declare(name, key, allow, params)
