"""A real region on this machine: Keystone, Glance, Placement, Neutron, Nova and Cinder.

MariaDB and RabbitMQ are Debian's; the services are PyPI's, pinned, in a folder of their own under
`var/`. Nova runs its fake hypervisor (two compute hosts), Cinder a driver of ours that keeps
volumes as files; all else is theirs. Everything listens on loopback on free ports, is stopped by
its process id and leaves nothing but the installed packages.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
VENV = ROOT / "var" / "openstack" / "venv"
PINS = HERE / "requirements.txt"
PASSWORD = "correct horse"
INSTALL_S, SCHEMA_S, READY_S = 1200.0, 900.0, 900.0
STOP_S = 8.0
BELOW = ("mariadb", "epmd", "rabbitmq")
COMPUTE_HOSTS = ("compute1", "compute2")
TYPES = ("fast", "slow")
DATABASES = (*("keystone", "glance", "placement", "neutron", "cinder"),
             *("nova", "nova_api", "nova_cell0"))  # fmt: skip
NEEDED = ("mariadbd", "mariadb-install-db", "epmd", "qemu-img", "gcc")
WEB = {
    "keystone": "keystone.wsgi.api",
    "placement": "placement.wsgi.api",
    "glance": "glance.wsgi.api",
    "neutron": "neutron.wsgi.api",
    "nova": "nova.wsgi.osapi_compute",
    "cinder": "cinder.wsgi.api",
}


def missing() -> str:
    """What this machine lacks, or nothing."""
    if os.geteuid() != 0:
        return "root (MariaDB and RabbitMQ are started from Debian's packages)"
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if _rabbit() is None:
        lacking.append("rabbitmq-server")
    return f"programs: {', '.join(lacking)}" if lacking else ""


def _rabbit() -> Path | None:
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))
    return found[-1] if found else None


def install() -> None:
    """The pinned packages, once for each change of the pins."""
    stamp = VENV / "pins"
    if stamp.exists() and stamp.read_text() == PINS.read_text():
        return
    VENV.parent.mkdir(parents=True, exist_ok=True)
    pip = (str(VENV / "bin" / "pip"), "-q", "--disable-pip-version-check")
    for words in (
        (sys.executable, "-m", "venv", "--clear", str(VENV)),
        (*pip, "install", "--require-hashes", "-r", str(PINS)),
    ):
        subprocess.run(words, check=True, timeout=INSTALL_S)
    stamp.write_text(PINS.read_text())


class RealRegion:
    """A region's processes, its folder and its ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        ports = _free_ports(12)
        self._port = dict(zip((*WEB, "db", "mq", "dist", "epmd"), ports, strict=False))
        for name in ("etc", "log", "state", "images", "db", "mq", "run"):
            (folder / name).mkdir()

    @property
    def keystone(self) -> str:
        return f"http://127.0.0.1:{self._port['keystone']}/v3"

    def port(self, what: str) -> int:
        return self._port[what]

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._port[service]}"

    def start(self) -> None:
        """Everything, in the order in which each needs the other."""
        self._settings()
        self._start_database()
        self._start_queue()
        self._make_schemas()
        self._web("keystone")
        self._await("keystone", "/v3")
        self._fill_catalogue()
        for name in ("placement", "glance", "neutron", "cinder", "nova"):
            self._web(name)
        self._daemon("nova-conductor", "nova")
        self._daemon("nova-scheduler", "nova")
        self._daemon("cinder-scheduler", "cinder")
        self._daemon("cinder-volume", "cinder")
        for name, path in (("placement", "/"), ("glance", "/v2"), ("neutron", "/"), ("nova", "/")):
            self._await(name, path)
        self._await("cinder", "/")
        self._agents()
        for host in COMPUTE_HOSTS:
            self._daemon("nova-compute", "nova", host=host)
        self._settle()

    def stop(self) -> None:
        """By process id: the services at once, then what they all need."""
        below = [one for one in self._running if one[0] in BELOW]
        for some in ([one for one in self._running if one not in below], below[::-1]):
            for how, patience_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
                _end([process for _, process in some], how, patience_s)
        self._running.clear()

    def _settings(self) -> None:
        """Ours, and those that come with each service and that we do not change."""
        gaps = told(self)
        for source in (HERE / "etc").glob("*/*"):
            target = self.folder / "etc" / source.parent.name / source.name
            target.parent.mkdir(exist_ok=True)
            target.write_text(source.read_text().format_map(gaps))
        for service in ("nova", "neutron", "cinder", "glance"):
            for file in (VENV / "etc" / service).iterdir():
                target = self.folder / "etc" / service / file.name
                if file.is_file() and not target.exists():
                    shutil.copyfile(file, target)

    def _spawn(self, name: str, *words: str, **env: str) -> None:
        """A process of ours in a group of its own, so that its children can be ended too."""
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._env() | env,
                start_new_session=True,
            )
        self._running.append((name, process))

    def _env(self) -> dict[str, str]:
        return {
            "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(HERE / "plugins"),
            "PYTHONWARNINGS": "ignore",
        }

    def _run(self, *words: str, timeout_s: float = SCHEMA_S) -> None:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self._env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-3000:]}"

    def _start_database(self) -> None:
        data = self.folder / "db"
        words = (f"--datadir={data}", "--user=root", "--skip-name-resolve")
        self._run("mariadb-install-db", "--no-defaults", *words, "--skip-test-db")
        self._spawn(
            "mariadb",
            *("mariadbd", "--no-defaults", *words, "--bind-address=127.0.0.1"),
            f"--port={self._port['db']}",
            f"--socket={self.folder}/run/db.sock",
            f"--pid-file={self.folder}/run/db.pid",
            *("--skip-grant-tables", "--skip-log-bin", "--max-connections=500"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
            *("--skip-networking=0", "--character-set-server=utf8mb3"),
        )
        self._listens("db")
        for name in DATABASES:
            self._sql("", f"CREATE DATABASE {name}")

    def _sql(self, database: str, text: str) -> None:
        socket_ = f"--socket={self.folder}/run/db.sock"
        self._run(
            "mariadb", "--no-defaults", socket_, "-e", text, *([database] if database else [])
        )

    def _start_queue(self) -> None:
        rabbit = _rabbit()
        assert rabbit is not None
        port = str(self._port["epmd"])
        self._spawn("epmd", "epmd", "-port", port, "-address", "127.0.0.1")
        self._listens("epmd")
        folder = self.folder / "mq"
        self._spawn(
            "rabbitmq",
            str(rabbit),
            ERL_EPMD_PORT=port,
            RABBITMQ_NODENAME=f"sagastack{self._port['mq']}@localhost",
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=str(self._port["mq"]),
            RABBITMQ_DIST_PORT=str(self._port["dist"]),
            RABBITMQ_MNESIA_BASE=str(folder),
            RABBITMQ_LOG_BASE=str(self.folder / "log"),
            RABBITMQ_PID_FILE=str(folder / "pid"),
            RABBITMQ_CONFIG_FILE=str(folder / "none"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "plugins"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none",
        )
        self._listens("mq")

    def _make_schemas(self) -> None:
        """Side by side, since each waits for the database most of the time."""
        etc = self.folder / "etc"
        conf = {name: ("--config-file", str(etc / name / f"{name}.conf")) for name in DATABASES}
        glance = ("--config-file", str(etc / "glance" / "glance-api.conf"))
        ml2 = ("--config-file", str(etc / "neutron" / "ml2.ini"))
        nova = ("nova-manage", *conf["nova"])
        lines: list[tuple[tuple[str, ...], ...]] = [
            (
                ("keystone-manage", *conf["keystone"], "db_sync"),
                ("keystone-manage", *conf["keystone"], "fernet_setup", *AS_ROOT),
                ("keystone-manage", *conf["keystone"], "credential_setup", *AS_ROOT),
            ),
            (
                ("glance-manage", *glance, "db_sync"),
                ("placement-manage", *conf["placement"], "db", "sync"),
            ),
            (("neutron-db-manage", *conf["neutron"], *ml2, "upgrade", "heads"),),
            (
                (*nova, "api_db", "sync"),
                (*nova, "cell_v2", "map_cell0"),
                (*nova, "cell_v2", "create_cell", "--name=cell1"),
                (*nova, "db", "sync"),
            ),
            (("cinder-manage", *conf["cinder"], "db", "sync"),),
        ]
        with ThreadPoolExecutor(len(lines)) as pool:
            list(pool.map(lambda line: [self._run(*words) for words in line], lines))
        self._run(
            *("keystone-manage", *conf["keystone"], "bootstrap"),
            *("--bootstrap-password", PASSWORD, "--bootstrap-region-id", "RegionOne"),
            *(
                word
                for kind in ("public", "internal", "admin")
                for word in (f"--bootstrap-{kind}-url", self.keystone)
            ),
        )

    def _web(self, name: str) -> None:
        """A service's API under uWSGI, which keeps no line for a second question."""
        etc = self.folder / "etc" / name
        uwsgi = {
            "http-socket": f"127.0.0.1:{self._port[name]}",
            "module": f"{WEB[name]}:application",
            "venv": str(VENV),
            "add-header": "Connection: close",
            "buffer-size": "65535",
            "processes": "1",
            "threads": "4",
            "set": f"start-time={int(time.time())}",
        }
        flags = ("master", "die-on-term", "need-app", "lazy-apps", "enable-threads")
        words = [f"--{flag}" for flag in (*flags, "http-chunked-input")]
        words += [word for option, value in uwsgi.items() for word in (f"--{option}", value)]
        if name == "cinder":
            words += ["--pyargv", f"--config-file {etc}/cinder.conf"]
        folders = {f"OS_{one.upper()}_CONFIG_DIR": str(etc) for one in WEB}
        ml2 = {"OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2.ini"}
        self._spawn(f"{name}-api", "uwsgi", *words, **folders, **ml2)

    def _daemon(self, program: str, service: str, host: str = "") -> None:
        conf = ["--config-file", str(self.folder / "etc" / service / f"{service}.conf")]
        if host:
            own = self.folder / "etc" / f"{host}.conf"
            state = self.folder / "state" / host
            state.mkdir()
            own.write_text(f"[DEFAULT]\nhost = {host}\nstate_path = {state}\n")
            conf += ["--config-file", str(own)]
        self._spawn(f"{program}-{host}" if host else program, program, *conf)

    def _listens(self, what: str) -> None:
        def there() -> bool:
            with socket.socket() as probe:
                probe.settimeout(0.5)
                return probe.connect_ex(("127.0.0.1", self._port[what])) == 0

        self._until(there, f"{what} listens")

    def _await(self, service: str, path: str) -> None:
        def there() -> bool:
            try:
                with urlopen(f"{self.url(service)}{path}", timeout=60) as answer:
                    return bool(answer.status < 500)
            except HTTPError as error:
                return error.code < 500
            except OSError:
                return False

        self._until(there, f"{service} answers")

    def _until(self, true: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + READY_S
        while not true():
            for name, process in self._running:
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
            assert time.monotonic() < end_s, f"not within {READY_S:.0f} s: {what}"
            time.sleep(0.2)

    def log(self, name: str) -> str:
        return (self.folder / "log" / f"{name}.out").read_text(errors="replace")[-3000:]

    def ask(self, method: str, url: str, body: object = None, **headers: str) -> tuple[Any, str]:
        """One request as the administrator, beside the driver."""
        said = {"Content-Type": "application/json", "X-Auth-Token": self._token, **headers}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(url, data, said, method=method), timeout=300) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), answer.headers.get("X-Subject-Token", "")

    def _fill_catalogue(self) -> None:
        """The services' addresses, a project for them, and one for the controller."""
        self._token = ""
        user = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": scope}}
        token, self._token = self.ask("POST", f"{self.keystone}/auth/tokens", body)
        admin, roles = token["token"]["user"]["id"], self._listed("roles")
        for name in ("service", "cloud"):
            project = self._make("project", name=name, domain_id="default")
            for role in ("admin", "service"):
                path = f"projects/{project}/users/{admin}/roles/{roles[role]}"
                self.ask("PUT", f"{self.keystone}/{path}")
        for kind, service, suffix in SERVICES:
            service_id = self._make("service", type=kind, name=kind)
            for interface in ("public", "internal"):
                self._make(
                    "endpoint",
                    interface=interface,
                    region_id="RegionOne",
                    service_id=service_id,
                    url=f"{self.url(service)}{suffix}",
                )

    def _listed(self, what: str) -> dict[str, str]:
        said, _ = self.ask("GET", f"{self.keystone}/{what}")
        return {one["name"]: one["id"] for one in said[what]}

    def _make(self, what: str, **said: str) -> str:
        """Something of Keystone's, by its id."""
        made, _ = self.ask("POST", f"{self.keystone}/{what}s", {what: said})
        return str(made[what]["id"])

    def _agents(self) -> None:
        """Neutron binds a port where it knows of an agent: two that are never late."""
        told = {"bridge_mappings": {"physnet": "br"}, "tunnel_types": [], "datapath_type": "system"}
        for host in COMPUTE_HOSTS:
            row = {
                "id": str(uuid4()),
                "agent_type": "Open vSwitch agent",
                "binary": "neutron-openvswitch-agent",
                "topic": "N/A",
                "host": host,
                "configurations": json.dumps(told),
            }
            names = ", ".join(f"`{name}`" for name in row)
            values = ", ".join(f"'{value}'" for value in row.values())
            self._sql(
                "neutron",
                f"INSERT INTO agents ({names}, admin_state_up, `load`, created_at, started_at, "
                f"heartbeat_timestamp) VALUES ({values}, 1, 0, UTC_TIMESTAMP(), UTC_TIMESTAMP(), "
                "UTC_TIMESTAMP())",
            )

    def _settle(self) -> None:
        """The cell knows the hosts, Cinder its types, Neutron a network."""
        nova, neutron = f"{self.url('nova')}/v2.1", f"{self.url('neutron')}/v2.0"
        cinder = f"{self.url('cinder')}/v3/{self._listed('projects')['admin']}"
        self._are_up(f"{nova}/os-services?binary=nova-compute", "services")
        conf = str(self.folder / "etc" / "nova" / "nova.conf")
        self._run("nova-manage", "--config-file", conf, "cell_v2", "discover_hosts")
        self._are_up(f"{nova}/os-hypervisors/detail", "hypervisors")
        self._are_up(f"{cinder}/os-services?binary=cinder-volume", "services")
        for name in TYPES:
            kind = {"name": name, "extra_specs": {"volume_backend_name": name}}
            self.ask("POST", f"{cinder}/types", {"volume_type": kind})
        network = {
            "name": "public",
            "shared": True,
            "provider:network_type": "flat",
            "provider:physical_network": "physnet",
        }
        made, _ = self.ask("POST", f"{neutron}/networks", {"network": network})
        subnet = {"network_id": made["network"]["id"], "cidr": "10.99.0.0/16", "ip_version": 4}
        self.ask("POST", f"{neutron}/subnets", {"subnet": {**subnet, "enable_dhcp": False}})

    def _are_up(self, url: str, key: str) -> None:
        """Two of them: compute hosts or back ends."""

        def up() -> bool:
            try:
                said = self.ask("GET", url)[0][key]
            except OSError:
                return False
            return sum(one.get("state") == "up" for one in said) == 2

        self._until(up, f"two at {url} are up")


AS_ROOT = ("--keystone-user", "root", "--keystone-group", "root")
SERVICES = (
    ("compute", "nova", "/v2.1"),
    ("placement", "placement", ""),
    ("image", "glance", ""),
    ("network", "neutron", ""),
    ("block-storage", "cinder", "/v3/%(tenant_id)s"),
)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _end(processes: list[subprocess.Popen[bytes]], how: signal.Signals, patience_s: float) -> None:
    """Signal each with the children in its session, and wait for all of them together."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
    end_s = time.monotonic() + patience_s
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.01, end_s - time.monotonic()))


def told(region: RealRegion) -> dict[str, str]:
    """What fills the gaps in the settings of `etc`."""
    who = {
        "auth_type": "password",
        "auth_url": region.keystone,
        "region_name": "RegionOne",
        "project_name": "service",
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "username": "admin",
        "password": PASSWORD,
    }
    trusts = {
        "www_authenticate_uri": region.keystone,
        "service_token_roles": "service",
        "service_token_roles_required": "true",
    }
    return {
        "folder": str(region.folder),
        "etc": str(region.folder / "etc"),
        "db": f"mysql+pymysql://root:x@127.0.0.1:{region.port('db')}",
        "queue": f"rabbit://guest:guest@127.0.0.1:{region.port('mq')}/",
        "pool": "max_pool_size = 5\nmax_overflow = 10",
        "glance": region.url("glance"),
        "who": _lines(who),
        "tokens": _lines(trusts | who),
    }


def _lines(said: dict[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in said.items())


@contextmanager
def region() -> Iterator[RealRegion]:
    """A region that serves, in a temporary folder that goes with it."""
    install()
    folder = Path(mkdtemp(prefix="sagastack-region-"))
    made = RealRegion(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
