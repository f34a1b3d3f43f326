"""What a new cloud offers before anybody made an offering: plain data, read once by `genesis`.

The names and service maps of the network offerings are those that CloudStack's clients ask for by
name; provider `VirtualRouter` is the router guest that each isolated network gets.
"""

from __future__ import annotations

from typing import Any

GIB = 2**30

Fields = dict[str, Any]

# Name, type, description, and what it may call: an empty list is all that its type may.
_LOOK = [
    ("getUpload*", False),
    ("list*", True),
    ("get*", True),
    ("query*", True),
    ("logout", True),
    ("*", False),
]
_SUPPORT = [
    ("startVirtualMachine", True),
    ("stopVirtualMachine", True),
    ("rebootVirtualMachine", True),
    ("prepareHostForMaintenance", True),
    ("cancelHostMaintenance", True),
    *_LOOK,
]
ROLES: list[tuple[str, str, str, list[tuple[str, bool]]]] = [
    ("Root Admin", "Admin", "Administers the whole cloud", []),
    ("Resource Admin", "ResourceAdmin", "Administers the resources of a domain", []),
    ("Domain Admin", "DomainAdmin", "Administers a domain and all below it", []),
    ("User", "User", "Uses what its account owns", []),
    ("Read-Only User - Default", "User", "Sees what a user sees, changes nothing", _LOOK),
    ("Support User - Default", "User", "Sees, and starts and stops guests", _SUPPORT),
    ("Read-Only Admin - Default", "Admin", "Sees the whole cloud, changes nothing", _LOOK),
    ("Support Admin - Default", "Admin", "Sees, starts and stops guests, tends hosts", _SUPPORT),
    ("Read-Only Domain Admin", "DomainAdmin", "Sees a domain, changes nothing", _LOOK),
]

SERVICE_OFFERINGS: dict[str, Fields] = {
    "Small Instance": {"cpu_count": 1, "cpu_mhz": 500, "memory_mib": 512},
    "Medium Instance": {"cpu_count": 1, "cpu_mhz": 1000, "memory_mib": 1024},
    **{
        f"System Offering For {what}": {
            "cpu_count": 1,
            "cpu_mhz": 500,
            "memory_mib": memory_mib,
            "offer_ha": True,
            "is_system": True,
            "system_vm_type": kind,
        }
        for what, kind, memory_mib in (
            ("Software Router", "domainrouter", 512),
            ("Secondary Storage VM", "secondarystoragevm", 512),
            ("Console Proxy", "consoleproxy", 1024),
            ("Internal LB VM", "internalloadbalancervm", 256),
        )
    },
}

DISK_OFFERINGS: dict[str, Fields] = {
    "Small": {"display_text": "Small Disk, 5 GB", "size_bytes": 5 * GIB},
    "Medium": {"display_text": "Medium Disk, 20 GB", "size_bytes": 20 * GIB},
    "Large": {"display_text": "Large Disk, 100 GB", "size_bytes": 100 * GIB},
    "Custom": {"display_text": "Custom Disk", "is_customized": True},
}


def _by(provider: str, *services: str) -> dict[str, list[str]]:
    return {service: [provider] for service in services}


_BASIC = _by("VirtualRouter", "Dhcp", "Dns", "UserData")
_ROUTED = _BASIC | _by(
    "VirtualRouter", "Firewall", "Lb", "PortForwarding", "SourceNat", "StaticNat", "Vpn"
)
_TIER = _by(
    "VpcVirtualRouter",
    *("Dhcp", "Dns", "Gateway", "NetworkACL", "PortForwarding"),
    *("SourceNat", "StaticNat", "UserData", "Vpn"),
)
_SHARED: Fields = {"guest_ip_type": "Shared", "specify_vlan": True, "specify_ip_ranges": True}
_ISOLATED: Fields = {"guest_ip_type": "Isolated"}
_VPC: Fields = {"guest_ip_type": "Isolated", "for_vpc": True, "conserve_mode": False}
_L2: Fields = {"guest_ip_type": "L2"}

NETWORK_OFFERINGS: dict[str, Fields] = {
    "DefaultSharedNetworkOfferingWithSGService": _SHARED
    | {
        "display_text": "Shared network with security groups",
        "services": _BASIC | _by("SecurityGroupProvider", "SecurityGroup"),
    },
    "DefaultSharedNetworkOffering": _SHARED
    | {"display_text": "Shared network", "services": _BASIC},
    "QuickCloudNoServices": _SHARED
    | {"display_text": "Shared network without services", "specify_vlan": True},
    "DefaultIsolatedNetworkOfferingWithSourceNatService": _ISOLATED
    | {
        "display_text": "Isolated network behind a router with source NAT",
        "availability": "Required",
        "services": _ROUTED,
    },
    "DefaultIsolatedNetworkOffering": _ISOLATED
    | {
        "display_text": "Isolated network without source NAT",
        "specify_vlan": True,
        "specify_ip_ranges": True,
        "services": _BASIC,
    },
    "DefaultIsolatedNetworkOfferingForVpcNetworks": _VPC
    | {
        "display_text": "VPC tier with load balancing",
        "services": _TIER | _by("VpcVirtualRouter", "Lb"),
    },
    "DefaultIsolatedNetworkOfferingForVpcNetworksNoLB": _VPC
    | {"display_text": "VPC tier without load balancing", "services": _TIER},
    "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB": _VPC
    | {
        "display_text": "VPC tier with internal load balancing",
        "services": _TIER | _by("InternalLbVm", "Lb"),
    },
    "DefaultL2NetworkOffering": _L2 | {"display_text": "L2 network"},
    "DefaultL2NetworkOfferingVlan": _L2
    | {"display_text": "L2 network with a VLAN of its maker's choice", "specify_vlan": True},
    "DefaultL2NetworkOfferingConfigDrive": _L2
    | {
        "display_text": "L2 network with a configuration drive",
        "services": _by("ConfigDrive", "UserData"),
    },
    "DefaultL2NetworkOfferingConfigDriveVlan": _L2
    | {
        "display_text": "L2 network with a configuration drive and a chosen VLAN",
        "specify_vlan": True,
        "services": _by("ConfigDrive", "UserData"),
    },
}

_IN_VPC = _TIER | {"Lb": ["VpcVirtualRouter", "InternalLbVm"]}

VPC_OFFERINGS: dict[str, Fields] = {
    "Default VPC offering": {"display_text": "VPC behind a router", "services": _IN_VPC},
    "Redundant VPC offering": {
        "display_text": "VPC behind two routers, one of which stands by",
        "services": _IN_VPC,
        "is_redundant": True,
    },
}

# Name: what it does with everything, and what it says of itself.
NETWORK_ACLS: dict[str, tuple[str, str]] = {
    "default_deny": ("Deny", "Default Network ACL Deny All"),
    "default_allow": ("Allow", "Default Network ACL Allow All"),
}


def _each(words: str, *versions: object) -> tuple[str, ...]:
    """A name a version; `#` stands for it."""
    return tuple(words.replace("#", str(version)) for version in versions)


def _both(words: str, *versions: object) -> tuple[str, ...]:
    """A name a version and width of the processor's words."""
    return tuple(name for bits in (32, 64) for name in _each(f"{words} ({bits}-bit)", *versions))


# Families and names as tools of CloudStack's users ask for them.
OS_TYPES: dict[str, tuple[str, ...]] = {
    "AlmaLinux": _each("AlmaLinux #", 8, 9, 10),
    "CentOS": (
        *_both("CentOS #", "4.8", "5.0", "5.3", "5.4", "5.5", "5.6", "5.7", "5.8", "5.9", "5.10"),
        *_both("CentOS #", "6.0", "6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7"),
        *("CentOS 7", "CentOS 7.1", "CentOS 7.2", "CentOS 8", "CentOS Stream 8"),
        "CentOS Stream 9",
    ),
    "CoreOS": ("CoreOS",),
    "Debian": (
        *_both("Debian GNU/Linux #", 5, 6, 7, 8),
        *_each("Debian GNU/Linux # (64-bit)", 9, 10, 11, 12, 13),
    ),
    "Fedora": ("Fedora Linux (64 bit)", *_each("Fedora #", 10, 11, 12, 13)),
    "FreeBSD": (*_both("FreeBSD #", 9, 10, 11), *_each("FreeBSD # (64-bit)", 12, 13, 14)),
    "None": ("None",),
    "Novel": _both("Open Enterprise Server #", 1),
    "Oracle": (
        *_both("Oracle Enterprise Linux #", "5.0", "5.4", "5.8", "6.0", "6.4", "6.5"),
        *("Oracle Linux 7", "Oracle Linux 8", "Oracle Linux 9"),
    ),
    "Other": (
        *("Other (32-bit)", "Other (64-bit)", "Other Linux (32-bit)", "Other Linux (64-bit)"),
        *("Other PV (32-bit)", "Other PV (64-bit)", "Other PV Virtio-SCSI (64-bit)"),
        *("Other CentOS (64-bit)", "Other Ubuntu (64-bit)", "Other SUSE Linux(64-bit)"),
        *("Apple Mac OS X 10.6 (64-bit)", "Apple Mac OS X 10.7 (64-bit)", "DOS"),
    ),
    "RedHat": (
        *_both("Red Hat Enterprise Linux #", "4.8", "5.0", "5.4", "5.5", "5.8", "5.10"),
        *_both("Red Hat Enterprise Linux #", "6.0", "6.2", "6.4", "6.5"),
        *_each("Red Hat Enterprise Linux #", "7.0", "7.1", "7.2", "7.x", "8.x", "9.x"),
    ),
    "Rocky Linux": _each("Rocky Linux #", 8, 9, 10),
    "SUSE": (
        *_both("SUSE Linux Enterprise Server #", "10 SP4", "11", "11 SP3"),
        *_each("SUSE Linux Enterprise Server # (64-bit)", 12, 15),
        "openSUSE Leap 15",
    ),
    "Ubuntu": (
        *_both("Ubuntu #", "10.04", "12.04", "14.04", "16.04"),
        *_each("Ubuntu # LTS", "18.04", "20.04", "22.04", "24.04"),
    ),
    "Unix": (*_both("Sun Solaris #", 10), "Sun Solaris 11 (64-bit)"),
    "Windows": (
        *_both("Windows #", 7, 8, "8.1", 10),
        *_both("Windows Server 2008", ""),
        *("Windows 11 (64-bit)", "Windows PV", "Windows Server 2008 R2 (64-bit)"),
        *("Windows Server 2012 (64-bit)", "Windows Server 2012 R2 (64-bit)"),
        *_each("Windows Server # (64-bit)", 2016, 2019, 2022, 2025),
    ),
}

# What CloudStack ships an image of, and this product does not: name, type, system.
TEMPLATES_WITHOUT_IMAGE = (
    ("SystemVM Template (KVM)", "SYSTEM", "Debian GNU/Linux 12 (64-bit)"),
    ("CentOS 5.5(64-bit) no GUI (KVM)", "BUILTIN", "CentOS 5.5 (64-bit)"),
)
