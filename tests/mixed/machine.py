"""A machine without a hypervisor: VirtualBMC in front of a QEMU that boots over our network."""

from __future__ import annotations

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path

from guest import agent
from guest.build import READY
from tests.guest.tiny import image
from tests.mixed.kinds import Kind
from tests.peers.baremetal import rack as peer

BOOT_S = 600.0


class Bare:
    """One machine, off, with an empty disk, on a provisioning network of its own."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        folder.mkdir()
        agent.build(peer.VAR / "agent", peer.VAR)
        self._agent = folder / "agent"
        self._agent.mkdir()
        for name in ("vmlinuz", "agent.gz"):
            shutil.copy(peer.VAR / "agent" / name, self._agent / name)
        self.rack = stack.enter_context(peer.rack(folder))
        self.computer = self.rack.add(f"bm-mixed-{self.rack.interface}")
        self._port = self.rack.ipmi(self.computer)
        self._http = peer.free_port(socket.SOCK_STREAM)

    def kind(self) -> Kind:
        asked = (
            f"mac={self.computer.mac}&provision={self.rack.interface}&http={self._http}"
            f"&alive=dhcp&boot_s={BOOT_S:.0f}"
        )
        url = f"ipmi://127.0.0.1:{self._port}/?{asked}"
        return Kind(
            "BareMetal",
            [{"url": url, "username": peer.USER, "password": peer.PASSWORD}],
            "disk:///",
            lambda _: self.left(),
            {"SAGASTACK_DRIVER_BAREMETAL": f"agent={self._agent},every_s=0.5,wipe_wait_s=120"},
            image().disk,
            each=1,
            whole_pool=True,
        )

    def booted(self) -> bool:
        return READY in self.computer.console()

    def left(self) -> list[str]:
        """Whatever is on its disk: it is wiped for the next tenant."""
        return ["its disk"] if any(self.computer.disk.read_bytes()) else []
