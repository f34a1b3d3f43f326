"""A Kubernetes API server of our own on loopback: what it takes and refuses is what a cluster does.

`kube-apiserver` is built from its Go module, pinned in `kubernetes/go.sum` beside this file, once
for a checkout; it keeps what it is told in Debian's etcd. There are no nodes and no controllers:
nothing is made from what it accepts, and nobody needs to be root.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.peers.kafka import _free_ports as free_ports

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "kubernetes"
BINARIES = ROOT / "var" / "peers" / "go-bin"
VERSION = "1.36.3"
# A program that is built from its module does not know its version unless it is told.
STAMP = "k8s.io/component-base/version"
BUILD_S, START_S, STOP_S = 1500, 90.0, 20.0
TOKEN = "an-administrator-of-this-test"


class Missing(Exception):
    """There can be no API server on this machine; the text says why."""


def program(name: str) -> Path:
    """The path of one of Kubernetes' programs, built now if it is not there yet."""
    target = BINARIES / name
    if target.exists():
        return target
    if shutil.which("go") is None:
        raise Missing(f"Go (1.26 or newer) is missing: {name} cannot be built")
    numbers = VERSION.split(".")
    told = {"gitVersion": f"v{VERSION}", "gitMajor": numbers[0], "gitMinor": numbers[1]}
    flags = " ".join(["-s -w", *(f"-X {STAMP}.{one}={text}" for one, text in told.items())])
    done = subprocess.run(
        ["go", "build", "-ldflags", flags, "-o", f"{BINARIES}/", f"k8s.io/kubernetes/cmd/{name}"],
        cwd=HERE, env=os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Missing(f"{name} could not be built: {done.stderr.strip()[-600:]}")
    return target


class Cluster:
    """A running API server, and a file that lets clients be its administrator."""

    def __init__(self, folder: Path, address: str, port: int) -> None:
        self.url = f"https://{address}:{port}"
        self.kubeconfig = folder / "kubeconfig"
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(told))
        self.kubeconfig.chmod(0o600)
        self._trusting = ssl.create_default_context()
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE

    def get(self, path: str) -> Any:
        status, answer = self.ask("GET", path)
        assert status == 200, answer
        return answer

    def make(self, path: str, thing: dict[str, Any]) -> Any:
        status, answer = self.ask("POST", path, thing)
        assert status == 201, answer
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the body of an answer."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._trusting) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text[:1] == b"{" else text.decode()

    def is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz") == (200, "ok")
        except urllib.error.URLError:
            return False


def server_words(folder: Path, address: str, port: int, store: str) -> list[str]:
    """What an API server is started with; makes the files that it reads."""
    key = accounts_key(folder)
    key.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    (folder / "tokens").write_text(f'{TOKEN},admin,1,"system:masters"\n')
    return [
        *(f"--etcd-servers={store}", f"--bind-address={address}", f"--secure-port={port}"),
        *(f"--advertise-address={address}", f"--cert-dir={folder}/certificates"),
        *("--endpoint-reconciler-type=none", "--service-account-issuer=https://tests"),
        *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
        *("--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC"),
        f"--token-auth-file={folder}/tokens",
    ]


def accounts_key(folder: Path) -> Path:
    """What service accounts' tokens are signed with."""
    return folder / "accounts.key"


@contextmanager
def api_server() -> Iterator[Cluster]:
    """A cluster's front, empty. Raises `Missing` where there can be none."""
    if shutil.which("etcd") is None:
        raise Missing("etcd is missing: install Debian's `etcd-server`")
    server = program("kube-apiserver")
    folder = Path(tempfile.mkdtemp(prefix="sagastack-kubernetes-"))
    etcd_port, peer_port, port = free_ports(3)
    store = f"http://127.0.0.1:{etcd_port}"
    running: list[subprocess.Popen[bytes]] = []
    try:
        etcd = ["etcd", f"--data-dir={folder}/etcd", f"--listen-client-urls={store}"]
        etcd += [f"--advertise-client-urls={store}"]
        etcd += [f"--listen-peer-urls=http://127.0.0.1:{peer_port}"]
        running.append(_start(folder / "etcd.log", *etcd))
        words = server_words(folder, "127.0.0.1", port, store)
        log = folder / "server.log"
        running.append(_start(log, str(server), *words))
        cluster = Cluster(folder, "127.0.0.1", port)
        end = time.monotonic() + START_S
        while not cluster.is_ready():
            said = log.read_text(errors="replace")[-3000:]
            assert running[-1].poll() is None, f"kube-apiserver ended: {said}"
            assert time.monotonic() < end, f"kube-apiserver is not ready: {said}"
            time.sleep(0.2)
        yield cluster
    finally:
        for one in reversed(running):
            one.terminate()
            try:
                one.wait(STOP_S)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait(STOP_S)
        shutil.rmtree(folder, ignore_errors=True)


def _start(log: Path, *words: str) -> subprocess.Popen[bytes]:
    command = ["setpriv", "--pdeathsig", "KILL", *words]
    with log.open("wb") as to:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.STDOUT, cwd=log.parent
        )
