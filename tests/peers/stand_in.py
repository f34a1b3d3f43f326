"""Stand-ins for the images that compose.yaml and the Dockerfile take from a registry.

They are made on this machine, from Debian's packages and Kafka's Maven artifacts, under the names
and tags that those files use, so that both are run as they are. What a stand-in promises is what
its image promises (users, folders, volumes, variables, programs); what it cannot show is that the
registry has that tag, nor what differs between Debian's version and the image's.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, STDOUT, run

import yaml

from tests.peers.containers import ROOT, STORE, Engine
from tests.peers.kafka import jars

HERE = Path(__file__).parent / "stand_ins"
KINDS = ("python", "busybox", "postgres", "kafka", "prometheus")
SERVICES = "localhost/stand-in-services"
# python3-dev: the image's Python was built from source, and brings its headers.
ROOTS: Mapping[str, tuple[str, ...]] = {
    "python": ("ca-certificates", "python3", "python3-venv", "python3-pip", "python3-dev"),
    "services": ("postgresql-15", "openjdk-17-jre-headless", "prometheus", "busybox-static"),
}
SOURCES = """\
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
"""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_CONF = Path("/etc/pip.conf")
BOOTSTRAP_S, BUILD_S = 600, 300
LABEL = "sagastack.stand-in"


def wanted() -> set[str]:
    """The images that compose.yaml and the Dockerfile name, as they name them."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    named = {one["image"] for one in services if "build" not in one}
    return named | set(re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text(), re.M))


def provide(engine: Engine, then: Callable[[], object]) -> set[str]:
    """Make those that can be made and are not there yet; gives those that cannot.

    `then` builds what is made on top of Python's, while the others are still in the making.
    """
    recipe = _recipe()
    there = engine.podman("images", "--filter", f"label={LABEL}={recipe}", "--format", "{{.ID}}")
    made = {name for name in wanted() if _kind(name)}
    if there and made <= engine.images():
        then()
    else:
        engine.podman("rmi", "--all", "--force", timeout_s=BUILD_S)
        _make(engine, made, recipe, then)
    return wanted() - made


def _recipe() -> str:
    """What the stand-ins are made of: another recipe makes them anew."""
    files = [*sorted(HERE.rglob("*")), Path(__file__), CERTIFICATES]
    parts = [path.read_bytes() for path in files if path.is_file()]
    return hashlib.sha256(b"\0".join([*parts, repr(sorted(wanted())).encode()])).hexdigest()[:16]


def _kind(name: str) -> str:
    """Which of our recipes makes this image, or nothing."""
    repository = name.split(":")[0].rpartition("/")[2]
    return repository if repository in KINDS else ""


def _make(engine: Engine, names: set[str], recipe: str, then: Callable[[], object]) -> None:
    label = f"LABEL {LABEL}={recipe}"
    with (
        tempfile.TemporaryDirectory(prefix="stand-in-", dir=STORE.parent) as at,
        ThreadPoolExecutor() as pool,
    ):
        folder = Path(at)
        roots = {kind: pool.submit(_bootstrap, folder, kind) for kind in ROOTS}
        python = next(name for name in names if _kind(name) == "python")
        env = f"ENV PIP_CERT={CERTIFICATES}"
        _import(engine, roots["python"].result(), f"docker.io/library/{python}", label, env)
        on_top = pool.submit(then)
        _import(engine, roots["services"].result(), SERVICES, label)
        context = folder / "context"
        shutil.copytree(HERE, context / "stand_ins")
        shutil.copytree(jars(), context / "jars")
        for name in sorted(names - {python}):
            full = f"docker.io/{name}" if "/" in name else f"docker.io/library/{name}"
            words = ["build", "-q", "--network", "none", "--target", _kind(name), "-t", full]
            words += ["-f", str(context / "stand_ins" / "Containerfile"), str(context)]
            engine.podman(*words, timeout_s=BUILD_S)
        on_top.result()


def _bootstrap(folder: Path, kind: str) -> Path:
    """A root of Debian's packages, as an archive."""
    archive = folder / f"{kind}.tar"
    sources = folder / f"{kind}.list"
    sources.write_text(SOURCES)
    # Java's package wants this folder, which is left out with the pages in it.
    hooks = ['--essential-hook=mkdir -p "$1/usr/share/man/man1"']
    hooks += [f"--customize-hook=copy-in {CERTIFICATES} {CERTIFICATES.parent}"] * (kind == "python")
    if kind == "python":
        hooks.append('--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python"')
        if PIP_CONF.exists():
            hooks.append(f"--customize-hook=copy-in {PIP_CONF} /etc")
    leave_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    command = [
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", *leave_out, *hooks),
        *('--aptopt=Acquire::Check-Valid-Until "false"', f"--include={','.join(ROOTS[kind])}"),
        *("bookworm", str(archive), str(sources)),
    ]
    done = run(
        command, stdout=PIPE, stderr=STDOUT, text=True, timeout=BOOTSTRAP_S, check=False,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
    )  # fmt: skip
    assert done.returncode == 0, f"no root of Debian's for {kind}: {done.stdout[-3000:]}"
    return archive


def _import(engine: Engine, archive: Path, name: str, *changes: str) -> None:
    told = [word for change in changes for word in ("--change", change)]
    engine.podman("import", "--quiet", *told, str(archive), name, timeout_s=BUILD_S)
    archive.unlink()
