"""A private container engine: Podman in namespaces of its own, gone with everything in it.

One `unshare` holds new mount, network, PID and host-name namespaces; Podman, its Docker-compatible
socket and all containers run in there. So published ports are those of a loopback of our own,
rules of the packet filter stay in there, nothing of a developer's containers is seen or touched,
and killing the one init ends all. Images are kept between runs, in an ignored folder that is bound
over Podman's usual place inside.

Programs that want to reach published ports are run inside: `Engine.run`.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "var" / "peers" / "containers"
PROGRAMS = (
    *("podman", "crun", "conmon", "docker-compose", "mmdebstrap", "unshare", "nsenter", "setpriv"),
    *("ip", "iptables", "curl"),
)
NETAVARK = Path("/usr/lib/podman/netavark")
READY_S, RUN_S = 120.0, 300.0
CLONE_NEWNET = 0x40000000
FOLDERS = ("/var/lib/containers/storage", "/run/containers", "/run/libpod", "/run/podman")
# Nobody counts or limits here, so no control groups are made, and none are left. Limits that root
# could raise elsewhere cannot be raised in a container, so the containers keep ours. There is no
# systemd whose timers could ask for health: `Pulse` asks.
CONF = """\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
[network]
network_backend = "netavark"
network_config_dir = "/run/containers/networks"
"""
INIT = """\
hostname containers
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
for folder in {folders}; do mount -t tmpfs tmpfs "$folder"; done
mount --bind {store} /var/lib/containers/storage
mkdir /run/containers/networks
ip link set lo up
touch {root}/ready
podman system service --time=0 unix:///run/podman/podman.sock
exit  # the shell stays as the init, to reap what containers leave to it
"""


def missing() -> str:
    """What this machine lacks to run containers, or nothing."""
    if os.geteuid() != 0:
        return "root (namespaces, mounts)"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if not NETAVARK.exists():
        lacking.append("netavark")
    return f"programs: {', '.join(lacking)}" if lacking else ""


def lacking(message: str) -> None:
    """Skip loudly, or fail where peers are required."""
    if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
        pytest.fail(message)
    pytest.skip(message)


class Engine:
    """Runs programs inside, with the engine's environment."""

    def __init__(self, root: Path, init: subprocess.Popen[bytes], conf: Path) -> None:
        self.root, self._init = root, init
        self._env = os.environ | {
            "CONTAINERS_CONF": str(conf),
            "DISABLE_HC_SYSTEMD": "true",
            "DOCKER_HOST": "unix:///run/podman/podman.sock",
            "COMPOSE_HTTP_TIMEOUT": "300",
        }

    def run(
        self,
        *words: str,
        stdin: str | None = None,
        timeout_s: float = RUN_S,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        online: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside and wait for it; `online`, with this machine's network."""
        spaces = ["--mount", "--pid", "--uts", *(() if online else ("--net",))]
        enter = ["nsenter", "--target", str(self._inside), *spaces, f"--wd={ROOT}", "--"]
        done = subprocess.run(
            [*enter, *words],
            input=stdin or "", env=self._env | dict(env or {}),
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            raise AssertionError(f"{' '.join(words)[:200]} failed ({done.returncode}): {said}")
        return done

    def spawn(self, log: Path, *words: str) -> subprocess.Popen[bytes]:
        """Start a program inside that runs until it is ended, or all of this is."""
        spaces = ["--mount", "--pid", "--uts", "--net"]
        enter = ["nsenter", "--target", str(self._inside), *spaces, "--"]
        with log.open("ab") as to:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *enter, *words],
                stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.STDOUT, env=self._env,
            )  # fmt: skip

    def podman(self, *words: str, timeout_s: float = RUN_S, check: bool = True) -> str:
        return self.run("podman", *words, timeout_s=timeout_s, check=check).stdout.strip()

    def build(self, name: str, folder: Path, timeout_s: float) -> str:
        """Build an image by the folder's Dockerfile, which may fetch what it needs."""
        words = ("podman", "build", "--format", "docker", "--network", "host", "-t", name)
        words += (str(folder),)
        return self.run(*words, timeout_s=timeout_s, online=True).stdout

    @contextmanager
    def network(self) -> Iterator[None]:
        """The calling thread, and those that it starts, are on the network inside for a while."""
        libc = ctypes.CDLL(None, use_errno=True)
        with (
            open("/proc/thread-self/ns/net") as ours,
            open(f"/proc/{self._inside}/ns/net") as inside,
        ):
            assert libc.setns(inside.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                libc.setns(ours.fileno(), CLONE_NEWNET)

    def images(self) -> set[str]:
        listed = self.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return {name.removeprefix("docker.io/").removeprefix("library/") for name in listed}

    def clear(self) -> None:
        """Remove containers, volumes and networks that are here; images stay."""
        self.podman("rm", "--all", "--force", "--time", "5", "--volumes")
        self.podman("volume", "rm", "--all", "--force")
        self.podman("network", "prune", "--force")

    @property
    def _inside(self) -> int:
        """The init's own pid as we see it: the one child of `unshare`."""
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children")
        return int(children.read_text().split()[0])


class Pulse(threading.Thread):
    """Asks containers how they are, each as often as it wants, as systemd's timers would."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="pulse", daemon=True)
        self._engine, self._over = engine, threading.Event()
        self._every_s: dict[str, float] = {}
        self._due_s: dict[str, float] = {}

    def run(self) -> None:
        while not self._over.wait(1.0):
            for one in self._engine.podman("ps", "--quiet", check=False).split():
                if time.monotonic() >= self._due_s.get(one, 0.0):
                    self._engine.podman("healthcheck", "run", one, check=False)
                    self._due_s[one] = time.monotonic() + self._interval_s(one)

    def _interval_s(self, one: str) -> float:
        if one not in self._every_s:
            form = "{{if .Config.Healthcheck}}{{.Config.Healthcheck.Interval}}{{end}}"
            found = self._engine.podman("inspect", "--format", form, one, check=False)
            self._every_s[one] = float(found.removesuffix("s")) if found else float("inf")
        return self._every_s[one]

    def stop(self) -> None:
        self._over.set()
        self.join(RUN_S)


@contextmanager
def engine() -> Iterator[Engine]:
    """A running engine with nothing in it but images of former runs."""
    for folder in (*FOLDERS, STORE):
        Path(folder).mkdir(parents=True, exist_ok=True)
    with (STORE.parent / "containers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two engines would write to one store.
        with _running() as made:
            yield made


@contextmanager
def _running() -> Iterator[Engine]:
    root = Path(tempfile.mkdtemp(prefix="sagastack-containers-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    limits = {
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "processes": resource.getrlimit(resource.RLIMIT_NPROC)[1],
    }
    conf = root / "containers.conf"
    conf.write_text(CONF.format(**{k: v if v >= 0 else 1048576 for k, v in limits.items()}))
    script = INIT.format(folders=" ".join(FOLDERS[1:]), store=STORE, root=root)
    spaces = ["--mount", "--uts", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    init = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, "sh", "-ec", script],
        env=os.environ | {"CONTAINERS_CONF": str(conf), "DISABLE_HC_SYSTEMD": "true"},
        stdin=subprocess.DEVNULL,
        stdout=(root / "init.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    atexit.register(init.kill)
    try:
        _wait_ready(root, init)
        made = Engine(root, init, conf)
        made.clear()
        yield made
        made.clear()
    finally:
        init.kill()
        init.wait(60)
        shutil.rmtree(root, ignore_errors=True)


def _wait_ready(root: Path, init: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_S
    while not (root / "ready").exists():
        if init.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"no namespaces: {(root / 'init.log').read_text()[-2000:]}")
        time.sleep(0.05)
