"""Settings by what they are about: each belongs to the first line below that fits its name."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

OTHERS = ("Miscellaneous", "Others")

# Group: what it is about, and its parts with the names (patterns with commas) that belong there.
GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "Access": (
        "who may do what, and how they sign in",
        {
            "Account": "account.*,allow.user.*,max.account.*,max.domain.*,resource.limit.*",
            "Project": "project.*,max.project.*",
            "Sign-in": "*.user.2fa,user.2fa.*,session.timeout",
            "API": "api.*,default.*,enable.ec2.api,integration.api.port",
        },
    ),
    "Compute": (
        "virtual machines and where they run",
        {
            "Virtual Machine": "vm.*,expunge.*,enable.dynamic.scale.vm,restart.*,instance.*",
            "Placement": "cpu.overprovisioning.*,mem.overprovisioning.*,cluster.*",
            "Host": "host.*,*rolling.maintenance.*,ping.*,agent.*,direct.*,wait,workers,capacity.*",
            "VM Snapshot": "vmsnapshot.*",
        },
    ),
    "Storage": (
        "volumes, snapshots, images and the pools that they lie in",
        {
            "Snapshot": "snapshot.*,kvm.snapshot.*",
            "Image": "*template*,secstorage.*,extract.*,upload.*",
            "Primary Storage": "pool.*,storage.*,local.storage.*,custom.diskoffering.*",
        },
    ),
    "Network": (
        "guest networks and what serves them",
        {
            "VPN": "remote.access.vpn.*",
            "Router": "router.*",
            "Network": "network.*,guest.*,check.pod.*,use.system.*,zone.*,pod.*,blacklisted.*",
        },
    ),
    "Usage Server": (
        "what is told of usage, and what it costs",
        {"Usage": "usage.*,enable.usage.*", "Quota": "quota.*"},
    ),
    "Management Server": (
        "this controller",
        {
            "Address": "host,endpoint.url,management.*",
            "Alerts and Events": "alert.*,event.*,webhook.*",
            "Jobs": "task.*,init.*,storage.cleanup.*",
        },
    ),
    "System VMs": ("guests that serve other guests", {"Console": "consoleproxy.*,system.vm.*"}),
    OTHERS[0]: ("what belongs nowhere else", {OTHERS[1]: "*"}),
}


@cache
def group_of(name: str) -> tuple[str, str]:
    """The group and subgroup of a setting."""
    for group, (_, parts) in GROUPS.items():
        for part, patterns in parts.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns.split(",")):
                return group, part
    return OTHERS
