"""The chart on a Kubernetes node: pods become ready, answer as one cloud, and are replaced in turn.

PostgreSQL and Kafka run beside it, as the chart wants them; images are those of the compose test.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.place import deployment
from tests.e2e.server import Api, Awaitable
from tests.infra.build import data_center
from tests.peers import containers, helm, stand_in
from tests.peers.containers import ROOT, Engine
from tests.peers.kubernetes import Cluster, Missing
from tests.peers.node import ADDRESS, NAME, node

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

IMAGE = "docker.io/library/sagastack"
BUILD_S, READY_S, HELM_S = 600.0, 180.0, 120
PODS = "/api/v1/namespaces/default/pods"
KAFKA = {
    "NODE_ID": "1",
    "PROCESS_ROLES": "broker,controller",
    "LISTENERS": f"PLAINTEXT://{ADDRESS}:9092,CONTROLLER://{ADDRESS}:9093",
    "ADVERTISED_LISTENERS": f"PLAINTEXT://{ADDRESS}:9092",
    "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "CONTROLLER_QUORUM_VOTERS": f"1@{ADDRESS}:9093",
    "LOG_DIRS": "/var/lib/kafka/data",
    "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "TRANSACTION_STATE_LOG_MIN_ISR": "1",
}
POSTGRES = {"POSTGRES_USER": "sagastack", "POSTGRES_PASSWORD": "sagastack"}
VALUES = {
    "postgres.url": f"postgres://sagastack:sagastack@{ADDRESS}:5432/sagastack",
    "kafka.servers": f"{ADDRESS}:9092",
    "image.repository": IMAGE,
    "image.tag": "latest",
}


@dataclass
class Release:
    """The chart, installed."""

    engine: Engine
    cluster: Cluster

    def helm(self, verb: str, *words: str) -> str:
        chosen = [word for name, text in VALUES.items() for word in ("--set", f"{name}={text}")]
        command = [str(helm.program()), "--kubeconfig", str(self.cluster.kubeconfig), verb, "r"]
        more = () if verb == "uninstall" else (str(helm.CHART), *chosen, *words)
        return self.engine.run(*command, *more, timeout_s=HELM_S).stdout

    def pods(self) -> dict[str, Any]:
        return {one["metadata"]["name"]: one for one in self.cluster.get(PODS)["items"]}

    def ready(self) -> dict[str, str]:
        """The addresses of pods that are ready, by their names."""
        return {
            name: one["status"]["podIP"]
            for name, one in self.pods().items()
            if "deletionTimestamp" not in one["metadata"]
            and any(
                how["type"] == "Ready" and how["status"] == "True"
                for how in one["status"].get("conditions", ())
            )
        }

    def credentials(self) -> dict[str, str]:
        """As the chart's notes have it: `kubectl exec ... -- sagastack credentials`."""
        status = self.pods()["r-sagastack-0"]["status"]["containerStatuses"][0]
        container = status["containerID"].removeprefix("containerd://")
        enter = ("ctr", "-n", "k8s.io", "tasks", "exec", "--exec-id", "credentials", container)
        told = self.engine.run(*enter, "sagastack", "credentials", "--json").stdout
        found: dict[str, str] = json.loads(told)
        return found

    def apis(self) -> list[Api]:
        keys = self.credentials()
        where = [f"http://{one}:8080/client/api" for one in self.ready().values()]
        return [Api(one, keys["apikey"], keys["secretkey"]) for one in where]


def until(seen: Callable[[], bool], what: str, timeout_s: float = READY_S) -> None:
    end = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < end, f"{what}: not in {timeout_s:.0f} s"
        time.sleep(0.5)


def volume(number: int, folder: Path) -> dict[str, Any]:
    """Space on the node for one controller's claim."""
    place = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"space-{number}"},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [place]}]}},
        },
    }


def database(engine: Engine) -> None:
    told = [word for name, text in POSTGRES.items() for word in ("-e", f"{name}={text}")]
    image = next(one for one in stand_in.wanted() if one.startswith("postgres:"))
    engine.podman("run", "-d", "--name", "postgres", "--network", "host", *told, image)


def broker(engine: Engine) -> None:
    told = [word for name, text in KAFKA.items() for word in ("-e", f"KAFKA_{name}={text}")]
    image = next(one for one in stand_in.wanted() if one.startswith("apache/kafka:"))
    engine.podman("run", "-d", "--name", "kafka", "--network", "host", *told, image)


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    lacking = containers.missing()
    if lacking:
        containers.lacking(f"the chart was not run: no containers here without {lacking}")
    try:
        with containers.engine() as engine:
            stand_in.provide(engine, lambda: engine.build(IMAGE, ROOT, BUILD_S))
            with node(engine, [IMAGE]) as cluster, engine.network():
                database(engine)
                broker(engine)
                for number in range(3):
                    folder = engine.root / f"space-{number}"
                    folder.mkdir()
                    cluster.make("/api/v1/persistentvolumes", volume(number, folder))
                made = Release(engine, cluster)
                made.helm("install")
                until(lambda: len(made.ready()) == 3, "three controllers ready")
                yield made
    except Missing as missing:
        containers.lacking(f"the chart was not run: {missing}")


def test_pods_answer_as_one_cloud(release: Release) -> None:
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    found = {
        one["metadata"]["labels"]["kubernetes.io/service-name"]: {
            address for end in one["endpoints"] for address in end["addresses"]
        }
        for one in release.cluster.get(slices)["items"]
    }
    addresses = set(release.ready().values())
    assert found["r-sagastack"] == found["r-sagastack-each"] == addresses and len(addresses) == 3
    apis = release.apis()
    built = asyncio.run(data_center(Awaitable(apis[0])))  # type: ignore[arg-type]
    shape = deployment(apis[0], built.zone)
    for number, api in enumerate(apis):
        vm = api("deployVirtualMachine", name=f"vm{number}", **shape)["virtualmachine"]
        for other in apis:
            found_vm = other.one("listVirtualMachines", "virtualmachine", id=vm["id"])
            assert found_vm["state"] == "Running"


def test_without_the_database_no_pod_is_taken_away(release: Release) -> None:
    before = release.ready()

    def states() -> set[str]:
        urls = [f"http://{one}:8080/readyz" for one in before.values()]
        return {requests.get(url, timeout=10).json()["status"] for url in urls}

    release.engine.podman("stop", "--time", "10", "postgres")
    until(lambda: states() == {"degraded"}, "degraded")
    # Two looks, five seconds apart, would take a pod away; six, ten seconds apart, would kill it.
    time.sleep(20)
    assert release.ready() == before
    release.engine.podman("start", "postgres")
    until(lambda: states() == {"ready"}, "ready again")
    for pod in release.pods().values():
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_an_upgrade_replaces_one_controller_after_the_other(release: Release) -> None:
    before = release.ready()
    least = [len(before)]
    release.helm("upgrade", "--set-string", "podAnnotations.again=yes")

    def all_new() -> bool:
        ready = release.ready()
        least.append(len(ready))
        return len(ready) == 3 and not set(ready.values()) & set(before.values())

    until(all_new, "three new controllers")
    assert min(least) >= 2, "two of three answer all the time"
    vms = [api("listVirtualMachines")["count"] for api in release.apis()]
    assert vms == [3, 3, 3]


def test_a_pod_that_is_lost_comes_back_with_its_own_space(release: Release) -> None:
    before = release.pods()["r-sagastack-1"]["metadata"]["uid"]
    assert release.cluster.ask("DELETE", f"{PODS}/r-sagastack-1")[0] == 200
    until(
        lambda: (
            len(release.ready()) == 3
            and release.pods()["r-sagastack-1"]["metadata"]["uid"] != before
        ),
        "another pod of that name",
    )
    claims = release.cluster.get("/api/v1/namespaces/default/persistentvolumeclaims")["items"]
    assert {one["metadata"]["name"]: one["status"]["phase"] for one in claims} == {
        f"home-r-sagastack-{number}": "Bound" for number in range(3)
    }
