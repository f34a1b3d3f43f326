"""Pure: guests in the words of a 3.x agent, and its answers in ours.

`create_vm` and `configure_vm` take what `vm.cfg` holds; `list_vms` answers with what xend says of a
domain, every number as text. Whose guest it is stands in `OVM_description`, which only the file
has. Sources: the calls that Apache CloudStack's Ovm3 plugin makes, and the answers in its tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

from drivers.contract.compute import DiskAttachment, GuestSpec, Power
from drivers.contract.errors import Unavailable
from drivers.oraclevm.dialect import Seen
from drivers.oraclevm.repo import OVM3, repo_id, split

ROOT = "/OVS/Repositories"
HOST_PATH = re.compile(rf"{ROOT}/([0-9a-f]{{32}})/(.+)")
DRIVE, CONFIG_DRIVE = "hdc:cdrom", "hdd:cdrom"
PLUGGED = {1: "xvdb", 2: "xvde"}
WEIGHT_MAX = 65_535
MARK = "sagastack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What we keep in a guest's description. `host` is where it was last started or moved to."""

    guest_id: UUID
    key: UUID
    host: str
    nics: Mapping[UUID, str] = field(default_factory=dict)
    disks: Mapping[UUID, str] = field(default_factory=dict)

    def text(self) -> str:
        said = {
            "guest": str(self.guest_id),
            "key": str(self.key),
            "host": self.host,
            "nics": {str(one): mac for one, mac in self.nics.items()},
            "disks": {str(one): path for one, path in self.disks.items()},
        }
        return json.dumps({MARK: said}, separators=(",", ":"))


def note_in(config: Mapping[str, Any]) -> Note | None:
    """Ours, if the guest is ours."""
    text = str(config.get("OVM_description", ""))
    try:
        said = json.loads(text)[MARK] if text.startswith("{") else None
        if said is None:
            return None
        return Note(
            guest_id=UUID(said["guest"]),
            key=UUID(said["key"]),
            host=said["host"],
            nics={UUID(one): mac for one, mac in said["nics"].items()},
            disks={UUID(one): path for one, path in said["disks"].items()},
        )
    except (KeyError, TypeError, ValueError):
        return None


def with_note(config: Mapping[str, Any], note: Note | None) -> dict[str, Any]:
    return {**config, "OVM_description": note.text() if note else ""}


def to_host(path: str) -> str:
    """A path of ours as every host has it."""
    export, within = split(path)
    return f"{ROOT}/{repo_id(export).hex}/{within}"


def from_host(path: str, export_by_id: Callable[[str], str | None]) -> str:
    """A host's path as ours; one that lies in no repository stays as it is."""
    if (found := HOST_PATH.fullmatch(path)) and (export := export_by_id(found[1])):
        return f"{export}//{found[2]}"
    return path


def disk_line(disk: DiskAttachment) -> str:
    """The root disk is IDE, for its boot loader's sake; others are Xen's own."""
    path = to_host(disk.path)
    if disk.is_cdrom:
        return f"file:{path},{DRIVE},r"
    name = "hda" if disk.device == 0 else PLUGGED.get(disk.device, f"xvd{chr(98 + disk.device)}")
    return f"file:{path},{name},{'r' if disk.read_only else 'w'}"


def path_of(line: str) -> str:
    """The host's path in a line of a configuration's `disk`, or in a device's `uname`."""
    return line.partition(",")[0].removeprefix("file:")


def guest_params(
    spec: GuestSpec, disc: str, vifs: list[str], note: Note, password: str
) -> dict[str, Any]:
    """What `create_vm` is told."""
    disks = [disk_line(one) for one in spec.disks]
    if not any(f",{DRIVE}," in one for one in disks):
        disks.append(f",{DRIVE},r")
    if disc:
        disks.append(f"file:{to_host(disc)},{CONFIG_DRIVE},r")
    return {
        "name": str(spec.guest_id),
        "uuid": str(spec.guest_id),
        "OVM_simple_name": spec.known_as,
        "OVM_description": note.text(),
        "OVM_domain_type": "xen_hvm",
        "OVM_high_availability": False,
        "OVM_cpu_compat_group": "",
        "guest_os_type": "Other Linux",
        "builder": "hvm",
        "boot": "c" if any(not one.is_cdrom for one in spec.disks) else "d",
        "memory": str(spec.memory_mib),
        "vcpus": spec.cpu_count,
        "maxvcpus": spec.cpu_count,
        "cpu_cap": 0,
        "cpu_weight": max(1, min(WEIGHT_MAX, spec.cpu_count * spec.cpu_mhz // 4)),
        "disk": disks,
        "vif": vifs,
        "vfb": [f"type=vnc,vncunused=1,vnclisten=0.0.0.0,vncpasswd={password},keymap=en-us"],
        "on_poweroff": "destroy",
        "on_reboot": "restart",
        "on_crash": "destroy",
    }


def vif(mac: str, bridge: str) -> str:
    return f"mac={mac},bridge={bridge}"


def mac_of(line: str) -> str:
    parts = dict(one.partition("=")[::2] for one in line.split(","))
    return parts.get("mac", "").lower()


POWERS = (("c", Power.CRASHED), ("d", Power.CRASHED), ("p", Power.PAUSED), ("s", Power.OFF))


def power(state: str) -> Power:
    """Xen's letters: running, blocked, paused, shut down, crashed, dying."""
    return next((meant for letter, meant in POWERS if letter in state), Power.RUNNING)


def seen(domain: Mapping[str, Any], export_by_id: Callable[[str], str | None]) -> Seen:
    """What `list_vms` says of one domain; whose it is, it does not say."""
    devices: Mapping[str, Any] = domain.get("device") or {}
    drives = [one for one in devices.get("vbd", []) if path_of(str(one.get("uname", "")))]
    paths = [
        (from_host(path_of(str(one["uname"])), export_by_id), "cdrom" in str(one.get("dev", "")))
        for one in drives
    ]
    disks = tuple(path for path, is_disc in paths if not is_disc)
    frame: Mapping[str, Any] = next(iter(devices.get("vfb", [])), {})
    _, _, port = str(frame.get("location", "")).rpartition(":")
    return Seen(
        ref=str(domain["uuid"]),
        repo=disks[0].partition("//")[0] if disks else "",
        name=str(domain["name"]),
        power=power(str(domain.get("state", ""))),
        cpu_count=_number(domain.get("vcpus")),
        memory_mib=_number(domain.get("memory")),
        disks=disks,
        discs=tuple(path for path, is_disc in paths if is_disc),
        nics=tuple(
            (str(one.get("mac", "")), str(one.get("bridge", ""))) for one in devices.get("vif", [])
        ),
        volumes=_volumes(disks),
        cpu_time_ns=int(float(str(domain.get("cpu_time") or 0)) * 1e9),
        vnc=(int(port) if port.isdigit() else 0, str(frame.get("vncpasswd", ""))),
    )


def known(guest: Seen, config: Mapping[str, Any]) -> Seen:
    """The same with what its file says of whose it is."""
    note = note_in(config)
    if note is None:
        return replace(guest, volumes=())
    named = dict(guest.volumes)
    named |= {volume: path for volume, path in note.disks.items() if path in guest.disks}
    return replace(
        guest,
        name=str(config.get("OVM_simple_name") or guest.name),
        guest_id=note.guest_id,
        key=note.key,
        volumes=tuple(sorted(named.items())),
    )


def _volumes(disks: tuple[str, ...]) -> tuple[tuple[UUID, str], ...]:
    found = ((OVM3.volume(path), path) for path in disks)
    return tuple((volume, path) for volume, path in found if volume is not None)


def _number(text: Any) -> int:
    try:
        return int(float(str(text)))
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True)
class Bridge:
    name: str
    physical: str


def bridges(text: str) -> list[Bridge]:
    """Those of `discover_network`."""
    found = read(text).findall("Network/Active/Bridges/Device")
    return [
        Bridge(one.get("Name", ""), one.findtext("Interfaces/PhyInterface", "").strip())
        for one in found
    ]


def repositories(text: str) -> dict[str, tuple[str, str]]:
    """Those of `discover_repository_db`: by id, where each lies and its status."""
    found = read(text).findall("RepositoryDbList/Repository")
    return {
        one.get("Uuid", ""): (one.findtext("Fs_location", ""), one.findtext("Status", ""))
        for one in found
    }


def read(text: str) -> ET.Element:
    """An agent's XML, from a host that we trust. Unavailable: it is none."""
    try:
        return ET.fromstring(text)
    except (ET.ParseError, TypeError) as error:
        raise Unavailable(f"the agent's answer is no XML: {error}") from error
