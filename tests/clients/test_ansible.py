"""Ansible's CloudStack modules: each does its work once, and said again it changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.peers.ansible import Step, play

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
ZONE = {"zone": "z"}
FRONT = "198.51.100.30"
ROUTED = "DefaultIsolatedNetworkOfferingWithSourceNatService"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdsqVHMk2pHiVUXxh5DwUTRhmaHyF1YIhyqpXjWfBXl me"
WHOSE = {"account": "acme", "domain": "customers"}

INFRASTRUCTURE = (
    Step("zone", {"name": "z", "dns1": "192.0.2.1", "internal_dns1": "192.0.2.1",
                  "network_type": "Advanced", "guest_cidr_address": "10.1.1.0/24"}),
    Step("physical_network", {"name": "net", "zone": "z", "isolation_method": "VLAN",
                              "vlan": "100-200", "broadcast_domain_range": "ZONE"}),
    Step("physical_network", {"name": "net", "zone": "z", "isolation_method": "VLAN",
                              "vlan": "100-200", "broadcast_domain_range": "ZONE",
                              "nsps_enabled": ["virtualrouter", "vpcvirtualrouter"],
                              "state": "enabled"}),
    Step("traffic_type", {"physical_network": "net", "traffic_type": "Guest", **ZONE}),
    Step("traffic_type", {"physical_network": "net", "traffic_type": "Public", **ZONE}),
    Step("traffic_type", {"physical_network": "net", "traffic_type": "Management", **ZONE}),
    Step("pod", {"name": "p", "start_ip": "192.0.2.10", "end_ip": "192.0.2.50",
                 "gateway": "192.0.2.1", "netmask": "255.255.255.0", **ZONE}),
    Step("cluster", {"name": "c", "pod": "p", "hypervisor": "Simulator",
                     "cluster_type": "CloudManaged", **ZONE}),
    Step("host", {"name": "sim-h1", "url": "http://sim/h1", "cluster": "c", "pod": "p",
                  "hypervisor": "Simulator", "username": "root", "password": "x", **ZONE}),
    Step("storage_pool", {"name": "pool", "storage_url": "sim://pool", "scope": "cluster",
                          "cluster": "c", "pod": "p", "hypervisor": "Simulator",
                          "provider": "DefaultPrimary", **ZONE}),
    Step("image_store", {"name": "images", "provider": "NFS", "url": "nfs://192.0.2.9/images",
                         **ZONE}),
    Step("vlan_ip_range", {"vlan": "untagged", "start_ip": "198.51.100.10",
                           "end_ip": "198.51.100.60", "gateway": "198.51.100.1",
                           "netmask": "255.255.255.0", "for_virtual_network": True, **ZONE}),
    Step("zone", {"name": "z", "network_type": "Advanced", "state": "enabled"}),
)  # fmt: skip


CATALOGUE = (
    Step("region", {"id": 2, "name": "geneva", "endpoint": "http://192.0.2.2:8080/client/"}),
    Step("configuration", {"name": "network.gc.wait", "value": "601"}),
    Step("domain", {"path": "customers", "network_domain": "customers.example.com"}),
    Step("role", {"name": "operator", "role_type": "User", "description": "operates"}),
    Step("role_permission", {"name": "list*", "role": "operator", "permission": "allow"}),
    Step("role_permission", {"name": "createVPC", "role": "operator", "permission": "deny"}),
    Step(
        "account",
        {
            "name": "acme",
            "username": "wile",
            "password": "hunter2-hunter2",
            "last_name": "E",
            "first_name": "W",
            "email": "w@example.com",
            "domain": "customers",
            "account_type": "user",
        },
    ),
    Step(
        "user",
        {
            "username": "road",
            "account": "acme",
            "password": "hunter3-hunter3",
            "last_name": "R",
            "first_name": "R",
            "email": "r@example.com",
            "domain": "customers",
        },
    ),
    Step("resourcelimit", {"type": "instance", "limit": 12, **WHOSE}),
    Step(
        "service_offering",
        {
            "name": "Micro",
            "display_text": "Micro",
            "cpu_number": 1,
            "cpu_speed": 500,
            "memory": 256,
        },
    ),
    Step("disk_offering", {"name": "tiny", "display_text": "tiny", "disk_size": 1}),
    Step(
        "network_offering",
        {
            "name": "plain",
            "display_text": "plain",
            "state": "enabled",
            "guest_ip_type": "Isolated",
            "supported_services": ["Dns", "Dhcp"],
            "service_providers": [
                {"service": "Dns", "provider": "VirtualRouter"},
                {"service": "Dhcp", "provider": "VirtualRouter"},
            ],
        },
    ),
    Step(
        "vpc_offering",
        {
            "name": "plain vpc",
            "display_text": "plain",
            "state": "enabled",
            "supported_services": ["Dns", "Dhcp"],
            "service_providers": [
                {"service": "Dns", "provider": "VpcVirtualRouter"},
                {"service": "Dhcp", "provider": "VpcVirtualRouter"},
            ],
        },
    ),
    Step(
        "template",
        {
            "name": "tiny",
            "url": "sim://tiny",
            "hypervisor": "Simulator",
            "format": "QCOW2",
            "os_type": "Other Linux (64-bit)",
            "is_public": True,
            "cross_zones": True,
            "display_text": "tiny",
        },
    ),
    Step(
        "iso",
        {
            "name": "rescue",
            "url": "sim://rescue",
            "bootable": True,
            "os_type": "Other Linux (64-bit)",
            "is_ready": False,
            **ZONE,
        },
    ),
)

TENANT = (
    Step("sshkeypair", {"name": "laptop", "public_key": PUBLIC_KEY}),
    Step("affinitygroup", {"name": "apart", "affinity_type": "host anti-affinity"}),
    Step("instancegroup", {"name": "web"}),
    Step("securitygroup", {"name": "front", "description": "front"}),
    Step("securitygroup_rule", {"security_group": "front", "port": 80, "cidr": "192.0.2.0/24"}),
    Step("securitygroup_rule", {"security_group": "front", "type": "egress", "start_port": 1,
                                "end_port": 65535, "protocol": "udp"}),
    Step("project", {"name": "apollo", "display_text": "apollo"}),
    Step("project", {"name": "apollo", "state": "suspended"}),
    Step("network", {"name": "net1", "network_domain": "example.com", "network_offering": ROUTED,
                     **ZONE}),
    Step("network", {"name": "net2", "network_offering": ROUTED, **ZONE}),
    Step("instance", {"name": "web1", "template": "tiny", "service_offering": "Micro",
                      "hypervisor": "Simulator", "networks": ["net1"], "group": "web",
                      "affinity_groups": ["apart"], "ssh_key": "laptop", **ZONE}),
    Step("instance_nic", {"vm": "web1", "network": "net2", **ZONE}),
    Step("instance_nic_secondaryip", {"vm": "web1", "network": "net1",
                                      "vm_guest_ip": "10.1.1.77", **ZONE}),
    Step("ip_address", {"ip_address": FRONT, "network": "net1", **ZONE}),
    Step("volume", {"name": "data", "disk_offering": "tiny", "vm": "web1", "state": "attached",
                    **ZONE}),
    Step("snapshot_policy", {"vm": "web1", "volume_type": "DATADISK",
                             "interval_type": "daily", "schedule": "00:1",
                             "max_snaps": 3}),
    Step("volume", {"name": "data", "state": "detached", **ZONE}),
    Step("instance", {"name": "web1", "state": "stopped", **ZONE}),
    Step("vmsnapshot", {"name": "before", "vm": "web1", **ZONE}),
    Step("vmsnapshot", {"name": "before", "vm": "web1", "state": "absent", **ZONE}),
    Step("instance", {"name": "web1", "state": "started", **ZONE}),
    Step("vpc", {"name": "vpc1", "cidr": "10.10.0.0/16", "display_text": "vpc1", **ZONE}),
    Step("network_acl", {"name": "acl1", "vpc": "vpc1", "description": "acl", **ZONE}),
    Step("network_acl_rule", {"network_acl": "acl1", "rule_position": 1, "vpc": "vpc1",
                              "traffic_type": "ingress", "action_policy": "allow", "port": 80,
                              "cidr": "0.0.0.0/0", **ZONE}),
    Step("network", {"name": "tier1", "vpc": "vpc1", "gateway": "10.10.1.1",
                     "netmask": "255.255.255.0", "acl": "acl1",
                     "network_offering": "DefaultIsolatedNetworkOfferingForVpcNetworks", **ZONE}),
    Step("vpn_gateway", {"vpc": "vpc1", **ZONE}),
    Step("vpn_customer_gateway", {"name": "branch", "cidrs": ["192.168.123.0/24"],
                                  "esp_policy": "aes256-sha1;modp1536", "gateway": "203.0.113.9",
                                  "ike_policy": "aes256-sha1;modp1536", "ipsec_psk": "S3cr3tKey"}),
    Step("vpn_connection", {"vpn_customer_gateway": "branch", "vpc": "vpc1", **ZONE}),
)  # fmt: skip


def rules(address: str) -> tuple[Step, ...]:
    """What is made on a public address, and what is made on another."""
    of, http = {"ip_address": address, **ZONE}, {"public_port": 80, "private_port": 8080}
    return (
        Step("firewall", {"port": 80, "cidr": "192.0.2.0/24", **of}),
        Step("portforward", {"vm": "web1", "network": "net1", **http, **of}),
        Step("firewall", {"type": "egress", "network": "net1", "protocol": "tcp", "start_port": 1,
                          "end_port": 100, **ZONE}),
        Step("portforward", {"vm": "web1", "network": "net1", "state": "absent", **http, **of}),
        Step("loadbalancer_rule", {"name": "lb", "public_ip": address, "algorithm": "leastconn",
                                   **http, **ZONE}),
        Step("loadbalancer_rule", {"name": "lb", "public_ip": address, "algorithm": "roundrobin",
                                   **http, **ZONE}),
        Step("loadbalancer_rule_member", {"name": "lb", "vms": ["web1"], **ZONE}),
        Step("loadbalancer_rule_member", {"name": "lb", "vms": ["web1"], "state": "absent",
                                          **ZONE}),
        Step("loadbalancer_rule", {"name": "lb", "public_ip": address, "state": "absent", **ZONE}),
        Step("firewall", {"port": 80, "cidr": "192.0.2.0/24", "state": "absent", **of}),
        Step("staticnat", {"vm": "web1", "network": "net1", **of}),
        Step("staticnat", {"network": "net1", "state": "absent", **of}),
    )  # fmt: skip


CLEARED = (
    Step("vpn_connection", {"vpn_customer_gateway": "branch", "vpc": "vpc1", "state": "absent",
                            **ZONE}),
    Step("vpn_customer_gateway", {"name": "branch", "state": "absent"}),
    Step("vpn_gateway", {"vpc": "vpc1", "state": "absent", **ZONE}),
    Step("network", {"name": "tier1", "vpc": "vpc1", "state": "absent", **ZONE}),
    Step("network_acl_rule", {"network_acl": "acl1", "rule_position": 1, "vpc": "vpc1",
                              "state": "absent", **ZONE}),
    Step("network_acl", {"name": "acl1", "vpc": "vpc1", "state": "absent", **ZONE}),
    Step("vpc", {"name": "vpc1", "state": "absent", **ZONE}),
    Step("instance_nic_secondaryip", {"vm": "web1", "network": "net1", "vm_guest_ip": "10.1.1.77",
                                      "state": "absent", **ZONE}),
    Step("instance_nic", {"vm": "web1", "network": "net2", "state": "absent", **ZONE}),
    Step("instance", {"name": "web1", "state": "expunged", **ZONE}),
    Step("volume", {"name": "data", "state": "absent", **ZONE}),
    Step("network", {"name": "net2", "state": "absent", **ZONE}),
    Step("securitygroup", {"name": "front", "state": "absent"}),
    Step("instancegroup", {"name": "web", "state": "absent"}),
    Step("affinitygroup", {"name": "apart", "state": "absent"}),
    Step("sshkeypair", {"name": "laptop", "state": "absent"}),
    Step("project", {"name": "apollo", "state": "absent"}),
    Step("iso", {"name": "rescue", "state": "absent", **ZONE}),
    Step("user", {"username": "road", "domain": "customers", "state": "absent"}),
    Step("account", {"name": "acme", "domain": "customers", "state": "absent"}),
    Step("domain", {"path": "customers", "clean_up": True, "state": "absent"}),
    Step("role_permission", {"name": "createVPC", "role": "operator", "state": "absent"}),
    Step("role", {"name": "operator", "state": "absent"}),
    Step("region", {"id": 2, "name": "geneva", "state": "absent"}),
)  # fmt: skip


def agree(steps: Sequence[Step], folder: Path, server: Server) -> None:
    """Every step changes something once, and nothing when it is said again."""
    keys = server.credentials()
    outcomes = play(
        steps, folder, endpoint=server.endpoint, key=keys["apikey"], secret=keys["secretkey"]
    )
    wrong = []
    for step, (first, second) in zip(steps, outcomes, strict=True):
        for turn, outcome, changes in ((1, first, True), (2, second, False)):
            if outcome.failed:
                wrong.append(f"{step.name} ({turn}): failed: {outcome.told.get('msg')}")
            elif outcome.changed is not changes:
                told = outcome.told.get("diff")
                wrong.append(f"{step.name} ({turn}): changed={outcome.changed} {told}")
    assert not wrong, "\n".join(wrong)


def test_a_cloud_is_built_used_and_cleared(tmp_path: Path) -> None:
    server = Server(tmp_path / "home")
    server.start()
    try:
        for part, steps in (
            ("infrastructure", INFRASTRUCTURE),
            ("catalogue", CATALOGUE),
            ("tenant", TENANT),
        ):
            agree(steps, tmp_path / part, server)
        agree(rules(FRONT), tmp_path / "rules", server)
        agree(CLEARED, tmp_path / "cleared", server)
    finally:
        server.stop()
