"""A Kubernetes cluster of one node inside a private container engine, gone with it.

Kubernetes' own programs (`tests.peers.kubernetes`) and Debian's containerd, runc and CNI plugins
run pods on a bridge of the engine's namespaces. What is not here: a proxy for services, names for
them, and an ingress; pods are reached at their own addresses. Images come from the engine.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.containers import Engine
from tests.peers.kubernetes import Cluster, Missing, accounts_key, program, server_words

ADDRESS, PORT, STORE = "10.250.0.1", 6443, "http://127.0.0.1:2379"
NAME = "node1"
NAMES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
DEBIAN = {"etcd": "etcd-server", "containerd": "containerd", "ctr": "containerd", "runc": "runc"}
PLUGINS = Path("/usr/lib/cni")
PAUSE = "localhost/pause:1"
READY_S, IMPORT_S = 90.0, 240.0
OURS = (
    *("/run/containerd", "/run/netns", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/cni"),
    *("/etc/cni/net.d", "/var/log/pods", "/var/log/containers"),
)
# The kubelet wants to see what it mounts, so its folder is shared with the mounts of pods.
PREPARE = """\
for folder in {ours}; do mkdir -p "$folder" "{root}/mounts$folder"
    mount --bind "{root}/mounts$folder" "$folder"; done
mount --make-rshared /var/lib/kubelet
cp {root}/net.conflist /etc/cni/net.d/
ip link add node0 type bridge
ip address add {address}/24 dev node0
ip link set node0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
tar -C {root}/pause -c . | podman import -q --change 'ENTRYPOINT ["/catatonit", "-P"]' - {pause}
"""
NET = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}
CONTAINERD = f"""\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "/etc/cni/net.d"
"""
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    # What this machine's old control groups, and its want of systemd, leave.
    "failCgroupV1": False,
    "failSwapOn": False,
    "cgroupDriver": "cgroupfs",
    "cgroupsPerQOS": False,
    "enforceNodeAllocatable": [],
    "localStorageCapacityIsolation": False,
    "oomScoreAdj": 0,
    "makeIPTablesUtilChains": False,
    "evictionHard": {},
    "imageGCHighThresholdPercent": 100,
}


def lacks() -> str:
    """What this machine lacks for a node, or nothing."""
    packages = {package for name, package in DEBIAN.items() if shutil.which(name) is None}
    if not (PLUGINS / "bridge").exists():
        packages.add("containernetworking-plugins")
    return f"Debian's packages: {', '.join(sorted(packages))}" if packages else ""


@contextmanager
def node(engine: Engine, images: Sequence[str]) -> Iterator[Cluster]:
    """A cluster whose node has these images of the engine's."""
    programs = {name: str(program(name)) for name in NAMES}
    root = engine.root / "node"
    _prepare(engine, root)
    cluster = Cluster(root, ADDRESS, PORT)
    to = f"--kubeconfig={cluster.kubeconfig}"

    def start(name: str, *words: str) -> None:
        engine.spawn(root / f"{name}.log", programs.get(name, name), *words)

    start("etcd", f"--data-dir={root}/etcd")
    start("kube-apiserver", *server_words(root, ADDRESS, PORT, STORE), "--allow-privileged")
    start("containerd", "-c", str(root / "containerd.toml"))
    with engine.network():
        _wait(cluster.is_ready, root / "kube-apiserver.log")
    leader, key = "--leader-elect=false", accounts_key(root)
    start("kube-controller-manager", to, leader, f"--service-account-private-key-file={key}")
    start("kube-scheduler", to, leader)
    for number, image in enumerate((PAUSE, *images)):
        archive = root / f"{number}.tar"
        engine.podman("save", "-o", str(archive), image, timeout_s=IMPORT_S)
        engine.run("ctr", "-n", "k8s.io", "images", "import", str(archive), timeout_s=IMPORT_S)
        archive.unlink()
    config = f"--config={root}/kubelet.json"
    start("kubelet", to, config, f"--hostname-override={NAME}", f"--node-ip={ADDRESS}")
    with engine.network():
        _wait(lambda: _is_up(cluster), root / "kubelet.log")
    yield cluster


def _prepare(engine: Engine, root: Path) -> None:
    lacking = lacks()
    if lacking:
        raise Missing(f"no node here without {lacking}")
    (root / "pause").mkdir(parents=True)
    shutil.copy(shutil.which("catatonit") or "/usr/libexec/podman/catatonit", root / "pause")
    (root / "net.conflist").write_text(json.dumps(NET))
    (root / "containerd.toml").write_text(CONTAINERD)
    (root / "kubelet.json").write_text(json.dumps(KUBELET))
    script = PREPARE.format(ours=" ".join(OURS), root=root, address=ADDRESS, pause=PAUSE)
    engine.run("sh", "-ec", script)


def _is_up(cluster: Cluster) -> bool:
    status, found = cluster.ask("GET", f"/api/v1/nodes/{NAME}")
    conditions = found["status"]["conditions"] if status == 200 else ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _wait(ready: object, log: Path) -> None:
    assert callable(ready)
    end = time.monotonic() + READY_S
    while not ready():
        assert time.monotonic() < end, f"not ready: {log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.5)
