"""A private PostgreSQL cluster for tests: made in a temporary folder, on loopback, gone at the end.

Use the fixture `postgres` (one cluster a session) for a function that makes a fresh database and
gives its URL. The server refuses to run as root, so as root it runs as the account `postgres`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.peers.folders import quick_root

START_TIMEOUT_S = 60


class Cluster:
    """One PostgreSQL server of ours. `start` and `stop` may be called again and again."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._bin, self._data = binaries, folder / "data"
        self._folder = folder
        self._as: list[str] = []
        self._numbers = count(1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._as = [
                "setpriv",
                f"--reuid={account.pw_uid}",
                f"--regid={account.pw_gid}",
                "--clear-groups",
            ]
        self._run("initdb", "-D", str(self._data), "-U", "sagastack", "-A", "trust", "-N")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._bin / program), *arguments],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{program} failed: {done.stdout}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    @property
    def runs(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"log{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "sagastack", name)
        return f"postgres://sagastack:unused@127.0.0.1:{self.port}/{name}"


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Missing(Exception):
    """PostgreSQL cannot be had on this machine; the text says what is missing."""


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server in a folder of its own. Raises `Missing` where there is no PostgreSQL."""
    binaries = _binaries()
    if binaries is None or (os.geteuid() == 0 and shutil.which("setpriv") is None):
        raise Missing("no PostgreSQL server here: install Debian's `postgresql` (and `util-linux`)")
    folder = Path(tempfile.mkdtemp(prefix="sagastack-pg-", dir=quick_root()))
    try:
        made = Cluster(binaries, folder)
        made.start()
        try:
            yield made
        finally:
            if made.runs:  # a test may have stopped it
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """The running cluster itself, for tests that stop it."""
    try:
        with cluster() as running:
            yield running
    except Missing as missing:
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres(postgres_cluster: Cluster) -> Callable[[], str]:
    """Call it for the URL of a new, empty database."""
    return postgres_cluster.database
