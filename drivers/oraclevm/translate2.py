"""Pure: guests in the words of a 2.x agent, and its answers in ours.

Every call is `OvmDispatch("Class.method", ...)` with JSON in strings, by the modules that Apache
CloudStack adds to a 2.x agent; they are the source of this. A guest is its name there and nothing
else, so its name holds our id for it and the key that it was started with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestSpec, Power
from drivers.contract.errors import Refused, Unavailable
from drivers.oraclevm.dialect import Seen
from drivers.oraclevm.repo import OVM2

NAME = re.compile(r"sg-([0-9a-f]{32})-([0-9a-f]{32})")
OWN_FILE = re.compile(r"(.*/)?([0-9a-f]{32})\.([0-9a-f-]{36})\.raw")
MIB = 1024**2
POWERS = {
    "RUNNING": Power.RUNNING,
    "PAUSED": Power.PAUSED,
    "SUSPENDED": Power.OFF,
    "DOWN": Power.OFF,
    "ERROR": Power.RUNNING,
}


def name_of(guest_id: UUID, key: UUID) -> str:
    return f"sg-{guest_id.hex}-{key.hex}"


def whose(name: str) -> tuple[UUID | None, UUID | None]:
    """Guest and key of a name of ours."""
    found = NAME.fullmatch(name)
    return (UUID(found[1]), UUID(found[2])) if found else (None, None)


def decode(text: Any) -> Any:
    """What a method answers with. Unavailable: it is no JSON."""
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise Unavailable(f"the agent's answer is no JSON: {text!r}") from error


def encode(said: Mapping[str, Any]) -> str:
    """The agent reads apostrophes as quotes, so there must be none."""
    text = json.dumps(said)
    if "'" in text:
        raise Refused(f"a 2.x agent takes no apostrophe: {text}")
    return text


def guest(
    spec: GuestSpec, name: str, vifs: list[tuple[str, str]], to_host: Callable[[str], str]
) -> str:
    """What `OvmVm.create` is told."""
    disks = sorted((one for one in spec.disks if not one.is_cdrom), key=lambda one: one.device)
    if not disks:
        raise Refused("a 2.x agent runs no guest without a disk: its definition lies beside it")
    told = [
        {"path": to_host(one.path), "type": "r" if one.read_only else "w", "isIso": False}
        for one in disks
    ]
    return encode(
        {
            "name": name,
            "uuid": str(spec.guest_id),
            "cpuNum": spec.cpu_count,
            "memory": spec.memory_mib * MIB,
            "rootDisk": told[0],
            "disks": told[1:],
            "vifs": [
                {"name": f"vif{n}", "mac": mac, "bridge": bridge, "type": "ioemu"}
                for n, (mac, bridge) in enumerate(vifs)
            ],
            "bootDev": "HDD",
            "type": "HVM",
        }
    )


def seen(
    name: str, status: str, details: Mapping[str, Any], export_of: Callable[[str], str | None]
) -> Seen:
    """A guest by `OvmHost.getAllVms` and `OvmVm.getDetails`; `export_of` a repository's id."""
    guest_id, key = whose(name)
    told = [details.get("rootDisk") or {}, *details.get("disks", [])]
    found = [str(one.get("path") or "") for one in told]
    paths = tuple(ours(path, export_of) for path in found if path and not path.endswith(".iso"))
    volumes = ((OVM2.volume(path), path) for path in paths)
    return Seen(
        ref=name,
        repo=paths[0].partition("//")[0] if paths else "",
        name=name,
        power=POWERS.get(status, Power.RUNNING),
        guest_id=guest_id,
        key=key,
        cpu_count=int(details.get("cpuNum") or 0),
        memory_mib=int(details.get("memory") or 0) // MIB,
        disks=paths,
        nics=tuple((one["mac"], one["bridge"]) for one in details.get("vifs", [])),
        volumes=tuple((volume, path) for volume, path in volumes if volume is not None),
    )


def ours(path: str, export_of: Callable[[str], str | None]) -> str:
    """A host's path as ours: the name of a file of ours says where it lies, whatever is above."""
    found = OWN_FILE.fullmatch(path)
    export = export_of(found[2]) if found else None
    if found is None or export is None:
        return path
    return f"{export}//{OVM2.disk(UUID(found[2]), UUID(found[3]))}"


def repository_of(path: str) -> str | None:
    """The repository's id in the name of a file of ours."""
    found = OWN_FILE.fullmatch(path)
    return found[2] if found else None
