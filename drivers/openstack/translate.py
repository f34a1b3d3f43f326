"""Pure: guests in Nova's words, and servers in the contract's."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestSpec, GuestStatus, Power
from drivers.contract.errors import Refused
from drivers.openstack import names

# What a server's status says of the guest. Whatever else Nova has on the way is running.
POWER: Mapping[str, Power] = {
    "BUILD": Power.OFF,
    "SHUTOFF": Power.OFF,
    "SHELVED": Power.OFF,
    "SHELVED_OFFLOADED": Power.OFF,
    "PAUSED": Power.PAUSED,
    "SUSPENDED": Power.PAUSED,
    "ERROR": Power.CRASHED,
}
GONE = ("DELETED", "SOFT_DELETED")
USER_DATA = "openstack/latest/user_data"
NAME_CHARS = 200
META_DATA = "openstack/latest/meta_data.json"
UEFI: Mapping[str, str] = {"hw_firmware_type": "uefi", "hw_machine_type": "q35"}
SECURE = "os_secure_boot"
# What Nova reads of a root volume's image; secure boot from its release 23 on.
FIRMWARE: Mapping[str, Mapping[str, str]] = {
    "uefi": UEFI,
    "uefi-secure": {**UEFI, SECURE: "required"},
}


def server_request(
    spec: GuestSpec,
    *,
    key: UUID,
    host: str,
    flavor_id: str,
    volumes: Sequence[str],
    ports: Sequence[str],
) -> dict[str, Any]:
    """What Nova is asked to make. Its volumes outlive it; a host that is named gets no say."""
    asked: dict[str, Any] = {
        "name": spec.name[:NAME_CHARS] or str(spec.guest_id),
        "flavorRef": flavor_id,
        "imageRef": "",
        "tags": [names.guest_tag(spec.guest_id)],
        "metadata": {names.KEY: str(key), names.HOST: host},
        "block_device_mapping_v2": [
            {
                "boot_index": index if index == 0 else -1,
                "uuid": volume,
                "source_type": "volume",
                "destination_type": "volume",
                "delete_on_termination": False,
            }
            for index, volume in enumerate(volumes)
        ],
        "networks": [{"port": port} for port in ports] or "none",
    }
    if host:
        asked["host"] = host
    if spec.config:
        asked["config_drive"] = True
    if data := user_data(spec):
        asked["user_data"] = data
    told = meta_data(spec)
    if password := told.get("admin_pass"):
        asked["adminPass"] = password
    if told.get("public_keys"):
        asked["key_name"] = names.key_pair(spec.guest_id)
    return {"server": asked}


def meta_data(spec: GuestSpec) -> Mapping[str, Any]:
    """What the guest is told on its disc; Nova makes a disc of its own, and is told this."""
    found: Mapping[str, Any] = json.loads(dict(spec.config).get(META_DATA, b"{}"))
    return found


def public_key(spec: GuestSpec) -> str:
    """The key that may log in. Refused: several, of which Nova would tell the guest one."""
    keys = list(meta_data(spec).get("public_keys", {}).values())
    if len(keys) > 1:
        raise Refused(
            f"guest {spec.guest_id}: Nova gives a server one key pair, and it has {len(keys)}: "
            "name one, and put the others into its user data"
        )
    return str(keys[0]) if keys else ""


def firmware(boot: str, has: Mapping[str, str]) -> Mapping[str, str]:
    """What must change in what a root volume says, for a guest that starts by `boot`."""
    wanted = dict(FIRMWARE.get(boot, {}))
    if wanted and has.get(SECURE, "disabled") != "disabled":
        wanted.setdefault(SECURE, "disabled")
    return {name: value for name, value in wanted.items() if has.get(name) != value}


def user_data(spec: GuestSpec) -> str:
    """In base64, as Nova takes it. The controller keeps what it was given in base64 as well."""
    files = dict(spec.config)
    if USER_DATA in files:
        return base64.b64encode(files[USER_DATA]).decode()
    if not spec.user_data:
        return ""
    try:
        base64.b64decode(spec.user_data, validate=True)
    except ValueError:
        return base64.b64encode(spec.user_data.encode()).decode()
    return spec.user_data


def is_there(server: Mapping[str, Any]) -> bool:
    return server["status"] not in GONE


def is_leaving(server: Mapping[str, Any]) -> bool:
    return server.get("OS-EXT-STS:task_state") in ("deleting", "soft-deleting")


def host_of(server: Mapping[str, Any]) -> str:
    """The compute host of a server; one that is on none yet is where it was asked for."""
    on = server.get("OS-EXT-SRV-ATTR:host") or ""
    return str(on or server["metadata"].get(names.HOST, ""))


def volumes_of(server: Mapping[str, Any]) -> list[str]:
    """Cinder's ids of the volumes that a server has."""
    return [one["id"] for one in server.get("os-extended-volumes:volumes_attached", ())]


def guest_status(
    server: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]], name: str = ""
) -> GuestStatus:
    guest_id = names.guest_of(server)
    ours = guest_id is not None
    return GuestStatus(
        guest_id=guest_id,
        name=name or server["name"],
        power=POWER.get(server["status"], Power.RUNNING),
        key=names.uuid_of(server["metadata"].get(names.KEY)) if ours else None,
        cpu_count=server["flavor"].get("vcpus", 0),
        memory_mib=server["flavor"].get("ram", 0),
        disks=tuple(
            names.volume_path(volumes[one]) for one in volumes_of(server) if one in volumes
        ),
    )
