"""A vCenter on loopback: govmomi's simulator (see `tests/peers/vcsim`), gone when we are.

`scripts/setup dev` builds it from its pinned source. It is tied to us, and ends with its standard
input too. Its datastores are folders, so what a disk holds can be written and read beside it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from tests.peers.certificate import new

BINARY = Path(__file__).parents[2] / "var" / "peers" / "vcsim"
READY_S = 120.0
USER, PASSWORD = "administrator@vsphere.local", "tell-nobody"
DATACENTER, CLUSTER = "DC0", "DC0_C0"
HOSTS = ("DC0_C0_H0", "DC0_C0_H1")
STORES = ("LocalDS_0", "LocalDS_1")


@dataclass(frozen=True, slots=True)
class VcenterPeer:
    """One that serves. `stores` are the folders of its datastores by their names."""

    port: int
    pin: str
    root: Path
    process: subprocess.Popen[str]

    def url(self, *names: str, port: int = 0, pin: str | None = None) -> str:
        path = "/".join((DATACENTER, CLUSTER, *names))
        shown = self.pin if pin is None else pin
        return f"vsphere://127.0.0.1:{port or self.port}/{path}" + (
            f"?pin={shown}" if shown else ""
        )

    def file(self, path: str) -> Path:
        """Where a file of a datastore is here: `[LocalDS_0] a/b`."""
        name, inside = path[1:].split("] ", 1)
        found = list((self.root / "tmp").glob(f"*/{DATACENTER}-{name}"))
        assert len(found) == 1, f"datastore {name}: {found}"
        return found[0] / inside

    def flat(self, path: str) -> Path:
        """The bytes of a disk."""
        return self.file(path.removesuffix(".vmdk") + "-flat.vmdk")


def missing() -> str:
    """What this machine lacks to run one, or nothing."""
    if not BINARY.exists():
        return f"{BINARY}: it is built by scripts/setup dev where Go 1.24 or newer is installed"
    lacking = [name for name in ("setpriv", "qemu-img") if shutil.which(name) is None]
    return f"programs: {', '.join(lacking)}" if lacking else ""


@cache
def shared() -> VcenterPeer:
    """The vCenter of this test run: started at the first call, stopped when the process ends."""
    peer = start()
    atexit.register(stop, peer)
    return peer


@contextmanager
def running(*, machines: int = 0) -> Iterator[VcenterPeer]:
    """One for a test of its own, with machines that nobody of ours made."""
    peer = start(machines=machines)
    try:
        yield peer
    finally:
        stop(peer)


def start(*, machines: int = 0) -> VcenterPeer:
    """Call it from the main thread: the peer is tied to the thread that started it."""
    root = Path(tempfile.mkdtemp(prefix="sagastack-vcsim-"))
    (root / "tmp").mkdir()
    shown = new("127.0.0.1")
    (root / "cert.pem").write_text(shown.pem)
    (root / "key.pem").write_text(shown.key)
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", str(BINARY)),
            *("-listen", "127.0.0.1:0", "-user", USER, "-password", PASSWORD),
            *("-cert", str(root / "cert.pem"), "-key", str(root / "key.pem")),
            *("-machines", str(machines)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(root / "vcsim.log").open("w"),
        text=True,
        env={**os.environ, "TMPDIR": str(root / "tmp")},
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"vcsim did not start: {(root / 'vcsim.log').read_text()}")
    port = urlsplit(line).port
    assert port is not None
    return VcenterPeer(port, shown.pin, root, process)


def stop(peer: VcenterPeer) -> None:
    peer.process.kill()
    peer.process.wait(timeout=60)
    shutil.rmtree(peer.root, ignore_errors=True)
