"""What parameters calls take: one that is unheard of, missing or of the wrong shape is refused.

Numbered ones (`scsi0`) are written `scsi[n]`; a name that ends in `!` must be there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.peers.proxmox.errors import bad

BOOLEAN, INTEGER = r"0|1", r"-?\d+"
NODE, STORAGE = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?", r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]"
DNS = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*"
TAGS = rf"(?:{TAG}(?:[;, ]{TAG})*)?"
VMID = r"[1-9]\d{2,8}"
SNAPSHOT = r"[a-zA-Z][a-zA-Z0-9_\-]{1,39}"
VOLUME = rf"none|{STORAGE}:\S+"
OPTION = r"(?:,[a-z_-]+=[^,]+)*"
DRIVE = rf"(?:{VOLUME}){OPTION}".replace(r"\S+", r"[^,\s]+")
MAC = r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}"
NET = rf"(?:virtio|e1000|rtl8139|vmxnet3)={MAC}(?:,(?:bridge={TAG}|tag=\d{{1,4}}|firewall=[01]))*"
FORMAT = r"raw|qcow2|vmdk"

CONFIG = {
    "name": DNS, "description": r"(?s).{0,8192}", "tags": TAGS, "memory": r"\d+", "cores": r"\d+",
    "sockets": r"\d+", "cpu": r"[\w.,=+-]+", "cpuunits": r"\d+", "ostype": r"l26|l24|other|win\d+",
    "scsihw": r"lsi|lsi53c810|virtio-scsi-pci|virtio-scsi-single|megasas|pvscsi",
    "boot": r"order=[\w;]+|legacy=\w+", "hotplug": r"[\w,]+", "onboot": BOOLEAN,
    "protection": BOOLEAN, "scsi[n]": DRIVE, "ide[n]": DRIVE, "net[n]": NET, "agent": r"\S+",
}  # fmt: skip
CHANGE = CONFIG | {"delete": r"[\w,]+", "digest": r"[0-9a-f]{40}", "force": BOOLEAN}

CALLS: Mapping[str, Mapping[str, str]] = {
    "GET /version": {},
    "GET /nodes": {},
    "GET /cluster/status": {},
    "GET /cluster/resources": {"type": r"vm|storage|node|sdn"},
    "GET /cluster/tasks": {},
    "GET /nodes/N/status": {},
    "GET /nodes/N/netstat": {},
    "GET /nodes/N/tasks": {"vmid": VMID, "source": r"archive|active|all", "limit": INTEGER},
    "GET /nodes/N/tasks/U/status": {},
    "GET /nodes/N/storage": {"content": r"[\w,]+", "enabled": BOOLEAN, "storage": STORAGE},
    "GET /nodes/N/storage/S/status": {},
    "GET /nodes/N/storage/S/content": {"content": r"\w+", "vmid": VMID},
    "DELETE /nodes/N/storage/S/content/V": {"delay": INTEGER},
    "GET /nodes/N/qemu": {"full": BOOLEAN},
    "POST /nodes/N/qemu": CONFIG | {"vmid!": VMID, "start": BOOLEAN, "pool": TAG},
    "DELETE /nodes/N/qemu/I": {
        "purge": BOOLEAN, "destroy-unreferenced-disks": BOOLEAN, "skiplock": BOOLEAN,
    },
    "GET /nodes/N/qemu/I/config": {"current": BOOLEAN, "snapshot": SNAPSHOT},
    "GET /nodes/N/qemu/I/pending": {},
    "PUT /nodes/N/qemu/I/config": CHANGE,
    "POST /nodes/N/qemu/I/config": CHANGE | {"background_delay": INTEGER},
    "GET /nodes/N/qemu/I/status/current": {},
    "POST /nodes/N/qemu/I/status/start": {"timeout": INTEGER, "skiplock": BOOLEAN},
    "POST /nodes/N/qemu/I/status/stop": {"timeout": INTEGER, "skiplock": BOOLEAN},
    "POST /nodes/N/qemu/I/status/shutdown": {"timeout": r"\d+", "forceStop": BOOLEAN},
    "POST /nodes/N/qemu/I/status/reboot": {"timeout": r"\d+"},
    "POST /nodes/N/qemu/I/status/reset": {"skiplock": BOOLEAN},
    "PUT /nodes/N/qemu/I/resize": {
        "disk!": r"(?:scsi|ide|virtio|sata)\d+", "size!": r"\+?\d+(?:\.\d+)?[KMGT]?",
        "digest": r"[0-9a-f]{40}",
    },
    "POST /nodes/N/qemu/I/clone": {
        "newid!": VMID, "name": DNS, "description": r"(?s).*", "full": BOOLEAN, "format": FORMAT,
        "storage": STORAGE, "snapname": SNAPSHOT, "target": NODE, "pool": TAG,
    },
    "POST /nodes/N/qemu/I/migrate": {
        "target!": NODE, "online": BOOLEAN, "with-local-disks": BOOLEAN, "targetstorage": r"\S+",
    },
    "GET /nodes/N/qemu/I/snapshot": {},
    "POST /nodes/N/qemu/I/snapshot": {
        "snapname!": SNAPSHOT, "vmstate": BOOLEAN, "description": r"(?s).*",
    },
    "DELETE /nodes/N/qemu/I/snapshot/P": {"force": BOOLEAN},
    "POST /nodes/N/qemu/I/vncproxy": {"websocket": BOOLEAN, "generate-password": BOOLEAN},
    "GET /nodes/N/qemu/I/vncwebsocket": {"port!": r"\d+", "vncticket!": r"(?s).{1,512}"},
}  # fmt: skip


def check(call: str, told: Mapping[str, str]) -> dict[str, str]:
    """The parameters, if they are all in order."""
    shapes = {name.rstrip("!"): shape for name, shape in CALLS[call].items()}
    unheard = (
        "property is not defined in schema and the schema does not allow additional properties"
    )
    errors = {
        name: unheard
        for name in told
        if name not in shapes and re.sub(r"\d+$", "[n]", name) not in shapes
    }
    for name in CALLS[call]:
        if name.endswith("!") and name[:-1] not in told:
            errors[name[:-1]] = "property is missing and it is not optional"
    for name, value in told.items():
        shape = shapes.get(name) or shapes.get(re.sub(r"\d+$", "[n]", name))
        if shape is None or re.fullmatch(shape, value):
            continue
        kind = {BOOLEAN: "boolean", INTEGER: "integer"}.get(shape)
        errors[name] = (
            f"type check ('{kind}') failed - got '{value}'"
            if kind
            else f"invalid format - value '{value}' does not look like a valid {name}"
        )
    if errors:
        raise bad(**errors)
    return dict(told)
