"""Two KVM hosts of the test's own, one of which is killed: real libvirt, real guests under QEMU."""

from __future__ import annotations

import subprocess
from pathlib import Path

from drivers.contract.hooks import HookStage
from guest.build import READY
from tests.drivers.harness_libvirt import write_hook
from tests.guest.tiny import image
from tests.mixed.kinds import Kind
from tests.peers.libvirt import LibvirtHost, MortalPair

LEFT, KILLED = 0, 1


class Kvm:
    """The pair, and libvirt's own tool as the witness of what runs on it.

    `hooks` is a folder of both with an operator's script for their maintenance.
    """

    def __init__(self, pair: MortalPair) -> None:
        self._pair, self._up = pair, [True, True]
        self._pool = pair.shared / "pool"
        self._pool.mkdir()
        self.hooks = write_hook(pair.shared / "hooks", HookStage.MAINTENANCE, 0)

    def kind(self) -> Kind:
        shared, urls = self._pair.shared, [host.uri for host in self._pair.hosts]
        here = ";".join(host.address for host in self._pair.hosts)
        settings = (
            f"acceleration=emulation,local_hosts={here},connect_s=10,reboot_s=4,"
            f"log_dir={shared}/serial,config_dir={shared}/config,hook_dir={shared}/hooks-run"
        )
        return Kind(
            "KVM",
            [{"url": url} for url in urls],
            f"SharedMountPoint://{self._pool}",
            lambda _: self.left(),
            {"SAGASTACK_LIBVIRT": settings},
            image().disk,
            each=2,
        )

    def address(self, number: int) -> str:
        return self._pair.hosts[number].address

    def kill(self) -> None:
        self._up[KILLED] = False
        self._pair.kill(KILLED)

    def power_on(self) -> None:
        self._pair.power_on(KILLED)
        self._up[KILLED] = True

    def domains(self, number: int) -> dict[str, str]:
        """All that a host has, running or not: by their ids, their names."""
        host = self._pair.hosts[number]
        known = _words(host, "list", "--all", "--name")
        return {_words(host, "domuuid", name)[0]: name for name in known}

    def booted(self, vm_id: str) -> bool:
        log = self._pair.shared / "serial" / f"{vm_id}.log"
        return log.exists() and READY in log.read_text(errors="replace")

    def left(self) -> list[str]:
        """Guests on the hosts that are up, and all files but the image of the template."""
        here = [one for one, up in zip((LEFT, KILLED), self._up, strict=True) if up]
        guests = [one for number in here for one in sorted(self.domains(number))]
        folders = (self._pool, *(self._pair.shared / one for one in ("serial", "config")))
        files = [one for folder in folders for one in folder.rglob("*") if one.is_file()]
        return [*guests, *(str(one) for one in files if not _is_image(one))]


def _is_image(file: Path) -> bool:
    return file.parent.name == "images"


def _words(host: LibvirtHost, *arguments: str) -> list[str]:
    asked = ["virsh", "-q", "-c", host.uri, *arguments]
    done = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.split()
