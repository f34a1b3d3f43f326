"""What translation must know of a host: the facts that decide how a guest is described there."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.libvirt.offers import Offers


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProfile:
    """`weighs_cpu` says that libvirt has a cgroup to put CPU shares in."""

    accelerated: bool
    emulator: str
    weighs_cpu: bool = True
    default_bridge: str = ""
    bridge_kind: str = "linux"
    disk_cache: str = "none"
    vnc_listen: str = "127.0.0.1"
    log_dir: str = ""
    config_dir: str = ""
    init: str = "/sbin/init"
    link_dir: str = "/run/sagastack"
    xen_kernel: str = ""
    xen_initrd: str = ""
    offers: Offers = field(default_factory=Offers)

    def serial_log(self, guest_id: object) -> str:
        return f"{self.log_dir}/{guest_id}.log" if self.log_dir else ""
