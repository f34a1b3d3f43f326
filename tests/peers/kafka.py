"""A private Kafka broker for tests: one node in KRaft mode, on loopback, gone at the end.

The broker is Apache Kafka itself. Maven resolves what `apache_kafka/pom.xml` names into an ignored
folder, once for a checkout, and `SHA256SUMS` there says what each file must be. Use the fixture
`kafka` for servers and a prefix of topics that no other test has, and `kafka_broker` to stop, kill
or pause the broker. `start`, `stop` and their like block: call them from a thread in async tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "apache_kafka"
JARS = ROOT / "var" / "peers" / "kafka"
# Of each of the processes that run tests side by side, one.
KEPT_LOG = ROOT / "var" / "peers" / f"kafka-{os.environ.get('PYTEST_XDIST_WORKER', 'broker')}.log"
FETCH_S, START_S, STOP_S = 900.0, 90.0, 30.0
CLUSTER_ID = "c2FnYXN0YWNrLXRlc3RzLQ"
JAVA = ("java", "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Missing(Exception):
    """Kafka cannot be had on this machine; the text says what is missing."""


def jars() -> Path:
    """The folder with Kafka's jars, fetched if it is not there or not what it must be."""
    wanted = dict(reversed(line.split()) for line in (HERE / "SHA256SUMS").read_text().splitlines())
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise Missing(f"no Kafka here: {program} is missing, install Debian's `{package}`")
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with (JARS.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _sums(JARS) != wanted:
            shutil.rmtree(JARS, ignore_errors=True)
            _fetch()
        if (found := _sums(JARS)) != wanted:
            wrong = sorted(set(found.items()) ^ set(wanted.items()))
            raise Missing(f"Kafka's jars are not those of {HERE / 'SHA256SUMS'}: {wrong[:4]}")
    return JARS


def _sums(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")
    }


def _fetch() -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"]
    done = subprocess.run(
        ["mvn", "-B", "-q", "-C", "-f", str(HERE / "pom.xml"), *goal],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=FETCH_S,
        check=False,
    )
    if done.returncode != 0:
        raise Missing(f"no Kafka here: Maven could not fetch it: {done.stdout.strip()[-800:]}")


class Broker:
    """One Kafka node of ours. `start`, `stop` and `kill` may be called again and again.

    It keeps its port and its data from start to start, as a broker that is restarted does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._jars = folder, jars()
        self._process: subprocess.Popen[bytes] | None = None
        self._formatted = False
        self.port, self._controller_port = _free_ports(2)
        self.log = folder / "server.log"

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker does not run"
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers requests."""
        assert self._process is None, "the broker runs already"
        properties = self._folder / "server.properties"
        if not self._formatted:
            properties.write_text((HERE / "server.properties").read_text() + self._own())
            self._format(properties)
            self._formatted = True
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(properties)),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests; they stop the broker.
            )
        self._wait()

    def stop(self) -> None:
        """As an operator stops it; killed if it takes too long."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)
        self._process = None

    def kill(self) -> None:
        """As a crash does it (SIGKILL)."""
        assert self._process is not None, "the broker does not run"
        self._process.kill()
        self._process.wait(STOP_S)
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """It holds its connections and answers nothing (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _own(self) -> str:
        return (
            f"\nlog.dirs={self._folder / 'data'}\n"
            f"listeners=PLAINTEXT://{self.servers},CONTROLLER://127.0.0.1:{self._controller_port}\n"
            f"advertised.listeners=PLAINTEXT://{self.servers}\n"
            f"controller.quorum.voters=1@127.0.0.1:{self._controller_port}\n"
        )

    def _java(self, *words: str) -> list[str]:
        config = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        return [*JAVA, config, "-cp", f"{self._jars}/*", *words]

    def _format(self, properties: Path) -> None:
        words = ("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties))
        done = subprocess.run(
            self._java(*words),
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, f"Kafka's storage could not be formatted: {done.stdout}"

    def _wait(self) -> None:
        until = time.monotonic() + START_S
        while not _answers(self.port):
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"Kafka ended at its start: {self._tail()}")
            if time.monotonic() > until:
                self.kill()
                raise AssertionError(f"Kafka did not answer in {START_S:.0f} s: {self._tail()}")
            time.sleep(0.1)

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


def _free_ports(number: int) -> list[int]:
    """Ports that nobody has; held together, so that they differ."""
    probes = [socket.socket() for _ in range(number)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _answers(port: int) -> bool:
    """Whether the broker tells its versions (Kafka protocol: key 18, version 0)."""
    ask = struct.pack(">hhih5s", 18, 0, 1, 5, b"probe")
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=2)) as line:
            line.sendall(struct.pack(">i", len(ask)) + ask)
            head = line.recv(10, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(head) == 10 and struct.unpack(">iih", head)[1:] == (1, 0)


@contextmanager
def broker() -> Iterator[Broker]:
    """A running broker in a folder of its own. Raises `Missing` where there is no Kafka."""
    folder = Path(tempfile.mkdtemp(prefix="sagastack-kafka-", dir="/tmp"))
    made: Broker | None = None
    try:
        made = Broker(folder)
        made.start()
        yield made
    finally:
        if made is not None:
            made.stop()
            if made.log.exists():
                shutil.copy(made.log, KEPT_LOG)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Kafka:
    """What a test is given: where Kafka is, and how the names of its own topics begin."""

    servers: str
    prefix: str
    broker: Broker


_numbers = count(1)


@pytest.fixture(scope="session")
def kafka_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The running broker itself, for tests that stop it. Its log is kept if a test failed."""
    try:
        with broker() as running:
            yield running
    except Missing as missing:
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    if not request.session.testsfailed:
        KEPT_LOG.unlink(missing_ok=True)


@pytest.fixture
def kafka(kafka_broker: Broker) -> Kafka:
    """Servers and a fresh prefix of topics."""
    return Kafka(kafka_broker.servers, f"test{next(_numbers)}", kafka_broker)
