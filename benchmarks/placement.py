"""OpenStack's Placement from PyPI, beside us on this machine: its API under uWSGI, on MariaDB.

Pinned as the tests' region has it, but alone, in a folder of its own under `var/`; it answers who
says it is the administrator, as its own tests do. Everything listens on loopback on free ports, is
ended by its process id, and leaves nothing but the installed packages.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import urlopen

from benchmarks.skipped import Skipped

ROOT = Path(__file__).parents[1]
VENV = ROOT / "var" / "placement" / "venv"
REGION = ROOT / "tests" / "peers" / "openstack" / "requirements.txt"
NEEDED = ("mariadbd", "mariadb-install-db", "mariadb", "gcc")
# What Placement, its server and its database's client need, of all that a region does.
PACKAGES = """
alembic attrs bcrypt certifi charset-normalizer debtcollector decorator dogpile.cache fasteners
greenlet idna iso8601 jinja2 jsonschema jsonschema-specifications keystoneauth1
keystonemiddleware mako markupsafe microversion_parse msgpack netaddr openstack-placement
os-resource-classes os-service-types os-traits oslo.cache oslo.concurrency oslo.config
oslo.context oslo.db oslo.i18n oslo.log oslo.middleware oslo.policy oslo.serialization
oslo.upgradecheck oslo.utils packaging pbr prettytable psutil pycadf pyjwt pymysql pyparsing
python-dateutil python-keystoneclient pyyaml referencing repoze-lru requests rfc3986 routes
rpds-py setuptools six sqlalchemy statsd stevedore testresources testscenarios typing_extensions
tzdata urllib3 uwsgi wcwidth webob wrapt
"""
INSTALL_S, READY_S, STOP_S = 600.0, 120.0, 10.0
PROCESSES = 2
CONF = """[placement_database]
connection = mysql+pymysql://root:x@127.0.0.1:{port}/placement
max_pool_size = 20
[api]
auth_strategy = noauth2
"""


def install() -> None:
    """The pinned packages, once for each change of the pins."""
    pins, stamp = wanted(REGION.read_text()), VENV / "pins"
    if stamp.exists() and stamp.read_text() == pins:
        return
    VENV.parent.mkdir(parents=True, exist_ok=True)
    chosen = VENV.parent / "requirements.txt"
    chosen.write_text(pins)
    pip = (str(VENV / "bin" / "pip"), "-q", "--disable-pip-version-check")
    for words in (
        (sys.executable, "-m", "venv", "--clear", str(VENV)),
        (*pip, "install", "--require-hashes", "-r", str(chosen)),
    ):
        subprocess.run(words, check=True, timeout=INSTALL_S)
    stamp.write_text(pins)


def wanted(pins: str) -> str:
    """Of a region's pins those that Placement needs."""
    found = re.findall(r"^(\S+)==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", pins, re.MULTILINE)
    lines = re.split(r"^(?=\S+==)", pins, flags=re.MULTILINE)[1:]
    assert len(found) == len(lines), "the pins are not as they were"
    needed = set(PACKAGES.split())
    return "".join(line for name, line in zip(found, lines, strict=True) if name.lower() in needed)


@contextmanager
def placement() -> Iterator[str]:
    """A Placement that answers at this address."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        raise Skipped(f"Placement needs root and {', '.join(lacking) or 'nothing more'}")
    install()
    with TemporaryDirectory(prefix="sagastack-placement-") as name, ExitStack() as stack:
        folder = Path(name)
        database = _database(folder, stack)
        (folder / "placement.conf").write_text(CONF.format(port=database))
        port = free_port()
        env = {"PATH": f"{VENV}/bin:{os.environ['PATH']}", "OS_PLACEMENT_CONFIG_DIR": name}
        conf = f"--config-file={folder}/placement.conf"
        manage = (str(VENV / "bin" / "placement-manage"), conf, "db", "sync")
        subprocess.run(manage, check=True, timeout=READY_S, env=env)
        uwsgi = {
            "http-socket": f"127.0.0.1:{port}",
            "module": "placement.wsgi.api:application",
            "venv": str(VENV),
            "buffer-size": "65535",
            "processes": str(PROCESSES),
            "threads": "4",
            "add-header": "Connection: close",
        }
        words = [word for option, value in uwsgi.items() for word in (f"--{option}", value)]
        flags = ("master", "die-on-term", "need-app", "lazy-apps", "enable-threads")
        words += [f"--{flag}" for flag in (*flags, "disable-logging", "http-chunked-input")]
        stack.enter_context(running(folder, "api", [str(VENV / "bin" / "uwsgi"), *words], env))
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url), "Placement answers")
        yield url


def _database(folder: Path, stack: ExitStack) -> int:
    """The port of a MariaDB of our own, as durable as it is by default."""
    data, port, line = folder / "db", free_port(), folder / "db.sock"
    data.mkdir()
    words = (f"--datadir={data}", "--user=root", "--skip-name-resolve")
    subprocess.run(
        ("mariadb-install-db", "--no-defaults", *words, "--skip-test-db"),
        check=True,
        timeout=READY_S,
        stdout=subprocess.DEVNULL,
    )
    served = ("--bind-address=127.0.0.1", f"--port={port}", f"--socket={line}")
    more = (f"--pid-file={folder}/db.pid", "--skip-grant-tables", "--skip-networking=0")
    program = ["mariadbd", "--no-defaults", *words, *served, *more]
    stack.enter_context(running(folder, "db", program, dict(os.environ)))
    until(line.exists, "the database is there")
    make = ("mariadb", "--no-defaults", f"--socket={line}", "-e", "CREATE DATABASE placement")
    subprocess.run(make, check=True, timeout=READY_S)
    return port


@contextmanager
def running(folder: Path, name: str, words: list[str], env: dict[str, str]) -> Iterator[None]:
    """A process with its children, ended afterwards, by force if it must be."""
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    try:
        yield
        told = (folder / f"{name}.out").read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"{name} ended: {told}"
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=20) as answer:
            return bool(answer.status == 200)
    except HTTPError:
        return False
    except OSError:
        return False


def until(true: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + READY_S
    while not true():
        assert time.monotonic() < end_s, f"not within {READY_S:.0f} s: {what}"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
