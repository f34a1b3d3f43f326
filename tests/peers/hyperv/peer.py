"""Starts WinRM services of simulated hosts on a thread of their own, so that any test can ask them.

Each host answers on its own loopback address and one port that all share, as nodes of a cluster do,
with TLS by a certificate that was made for the run, or with NTLM's message encryption over HTTP.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import web

from tests.peers.certificate import new
from tests.peers.hyperv.world import Host, Vm, World, kind_of, tool
from tests.peers.hyperv.wsman import Account, Service

USER, PASSWORD = "Administrator", "Passw0rd!"


def missing() -> str:
    for needed in ("qemu-img", "qemu-io"):
        if shutil.which(needed) is None:
            return f"{needed} is not installed (Debian: qemu-utils)"
    return ""


class HypervPeer:
    """Hosts that are one world. `names` are the loopback addresses that they have."""

    def __init__(
        self, folder: Path, names: tuple[str, ...] = ("127.0.0.1",), *, tls: bool = True
    ) -> None:
        self.world, self._folder, self._tls = World(folder), folder, tls
        self._executor = ThreadPoolExecutor(16, thread_name_prefix="hyperv peer")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runners: list[web.AppRunner] = []
        self.services: dict[str, Service] = {}
        self.port = 0
        for name in names:
            Host(self.world, name)
        self.certificate = new(*names)
        users = folder / "users"
        users.write_text(f":{USER}:{PASSWORD}\n")
        os.environ["NTLM_USER_FILE"] = str(users)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as a pin names it."""
        return self.certificate.pin.removeprefix("sha256:")

    def url(self, name: str) -> str:
        if self._tls:
            return f"winrm://{name}:{self.port}?pin=sha256:{self.fingerprint}"
        return f"winrm+http://{name}:{self.port}"

    def host(self, name: str) -> Host:
        return self.world.hosts[name]

    def start(self) -> HypervPeer:
        self._thread.start()
        self._wait(self._serve())
        return self

    def stop(self) -> None:
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def cut(self) -> None:
        """Reset every line, as a dead switch would."""

        def abort() -> None:
            for service in self.services.values():
                for transport in list(service.transports):
                    transport.abort()
                service.transports.clear()

        self._loop.call_soon_threadsafe(abort)

    def write(self, path: str, byte: int, host: str = "") -> None:
        """Put a byte into a disk by its Windows path, beside the driver."""
        put(self._host(host).local(path), byte)

    def read(self, path: str, host: str = "") -> int:
        return get(self._host(host).local(path))

    def write_in_guest(self, path: str, byte: int) -> None:
        """As the guest does that has this disk: into the last of its chain."""
        stem = path.rsplit(".", 1)[0].lower()
        for vm in self.world.vms():
            for drive in vm.drives:
                if vm.state == "Running" and drive.path.lower().startswith(stem):
                    drive.ios += 1
                    put(vm.host.local(drive.path), byte)
                    return
        raise AssertionError(f"no guest runs from {path}")

    def vm_of(self, guest_id: UUID) -> Vm | None:
        """By our id, which the driver keeps in the notes."""
        return next((vm for vm in self.world.vms() if str(guest_id) in vm.notes), None)

    def _host(self, name: str) -> Host:
        return self.world.hosts[name] if name else next(iter(self.world.hosts.values()))

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _serve(self) -> None:
        context = self.certificate.server() if self._tls else None
        for name, host in self.world.hosts.items():
            account = Account(USER, PASSWORD)
            service = Service(host, account, not self._tls, self._executor)
            self.services[name] = service
            app = web.Application(client_max_size=64 << 20)
            app.router.add_post("/wsman", service.answer)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, name, self.port, ssl_context=context)
            await site.start()
            self.port = runner.addresses[0][1]
            self._runners.append(runner)

    async def _end(self) -> None:
        for runner in self._runners:
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await runner.cleanup()


def put(local: Path, byte: int) -> None:
    tool("qemu-io", "-f", kind_of(local), "-c", f"write -P {byte} 1M 4k", str(local))


def get(local: Path) -> int:
    said = tool("qemu-io", "-U", "-r", "-f", kind_of(local), "-c", "read -v 1M 16", str(local))
    return int(said.split()[1], 16)
