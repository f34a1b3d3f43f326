"""What an operator may set for the libvirt driver; an unknown name is an error, not a silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from drivers.contract.errors import Refused

ACCELERATIONS = ("auto", "kvm", "emulation")
BRIDGES = ("linux", "openvswitch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Paths are the controller's for `state` and `probe_*`, and the host's for the rest.

    `state` is a small JSON file: what the acceleration probe found, and the SSH keys of hosts.
    `local_hosts` are host names in `qemu+tcp` and `qemu+tls` URLs whose commands run here and
    not over SSH. `init` is what a container starts, and `link_dir` a folder of a short name for
    links to its disks; `xen_kernel` and `xen_initrd` are files of a Xen host that start its guests,
    in the place of those in a guest's own disk. `shared_paths` are folders known to be the same on
    every host. `hook_dir` keeps how scripts of operators ended, `router_dir` what routers are made
    of, which has to go when the host restarts. A host whose libvirt has said nothing for
    `silence_s` is taken for lost.
    """

    state: str = ""
    log_dir: str = ""
    config_dir: str = "/var/lib/sagastack/config-discs"
    init: str = "/sbin/init"
    link_dir: str = "/run/sagastack"
    xen_kernel: str = ""
    xen_initrd: str = ""
    hook_dir: str = "/var/lib/sagastack/hooks"
    router_dir: str = "/run/sagastack/routers"
    swtpm_dir: str = "/var/lib/libvirt/swtpm"
    probe_kernel: str = ""
    probe_initrd: str = ""
    probe_marker: str = "SAGASTACK-GUEST-READY"
    probe_s: float = 6.0
    acceleration: str = "auto"
    default_bridge: str = ""
    bridge_kind: str = "linux"
    disk_cache: str = "none"
    vnc_listen: str = "127.0.0.1"
    local_hosts: tuple[str, ...] = ()
    shared_paths: tuple[str, ...] = ()
    threads: int = 6
    connect_s: float = 15.0
    silence_s: float = 15.0
    verb_s: float = 60.0
    image_s: float = 1800.0
    migrate_s: float = 1800.0
    reboot_s: float = 30.0
    unplug_s: float = 30.0


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Check names and choices at start-up, when somebody is looking."""
    known = {field.name for field in fields(Settings)}
    if strange := sorted(set(given) - known):
        raise Refused(f"libvirt driver: no setting named {', '.join(strange)}")
    settings = Settings(**{name: _like(name, value) for name, value in given.items()})
    _choose("acceleration", settings.acceleration, ACCELERATIONS)
    _choose("bridge_kind", settings.bridge_kind, BRIDGES)
    return settings


def _like(name: str, value: Any) -> Any:
    """A setting may come as text, from a command line or the environment."""
    if isinstance(value, list):
        return tuple(value)
    default = next(field.default for field in fields(Settings) if field.name == name)
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, tuple):
        return tuple(value.split(";"))
    try:
        return int(value) if isinstance(default, int) else float(value)
    except ValueError:
        raise Refused(f"libvirt driver: {name} is {value!r}, and should be a number") from None


def _choose(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise Refused(f"libvirt driver: {name} is {value!r}; it can be {', '.join(choices)}")
