"""The chart, given to a real Kubernetes API server: it is taken, upgraded and removed.

The API server checks types, names and references as any cluster's does, and lets no pod into a
namespace that breaks its rules. No node runs the pods here: that they start is seen in
`test_kubernetes_real`.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.peers import helm
from tests.peers.kubernetes import Cluster, Missing, api_server

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

STORE = "postgres.url=postgres://u:p@db:5432/sagastack"
KAFKA = "kafka.servers=k:9092"
VAULT = "/api/v1/namespaces/default/secrets/r-sagastack-vault"
STRICT = {"pod-security.kubernetes.io/enforce": "restricted"}
HELM_S = 120


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        with api_server() as running:
            yield running
    except Missing as missing:
        message = f"the chart was not given to Kubernetes: {missing}"
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(message)
        pytest.skip(message)


def run(cluster: Cluster, *words: str) -> str:
    """helm, as the cluster's administrator."""
    done = subprocess.run(
        [str(helm.program()), "--kubeconfig", str(cluster.kubeconfig), *words],
        capture_output=True, text=True, timeout=HELM_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def install(cluster: Cluster, *words: str, release: str = "r", verb: str = "install") -> str:
    chosen = [word for value in (STORE, KAFKA) for word in ("--set", value)]
    return run(cluster, verb, release, str(helm.CHART), *chosen, *words)


def stateful_set(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}")
    return found


def test_the_chart_is_taken_and_its_key_outlives_upgrades_and_removal(cluster: Cluster) -> None:
    host = ("--set", "ingress.enabled=true", "--set", "ingress.host=cloud.example")
    assert "sagastack credentials" in install(cluster, *host)
    key = cluster.get(VAULT)["data"]["vault.key"]
    assert len(base64.b64decode(key)) == 32
    assert stateful_set(cluster, "default", "r-sagastack")["spec"]["replicas"] == 3
    install(cluster, "--set", "replicas=5", verb="upgrade")
    assert stateful_set(cluster, "default", "r-sagastack")["spec"]["replicas"] == 5
    assert cluster.get(VAULT)["data"]["vault.key"] == key, "secrets must still open"
    run(cluster, "uninstall", "r")
    assert cluster.ask("GET", "/apis/apps/v1/namespaces/default/statefulsets/r-sagastack")[0] == 404
    assert cluster.get(VAULT)["data"]["vault.key"] == key, "and after a removal"
    install(cluster)
    assert cluster.get(VAULT)["data"]["vault.key"] == key, "and come back to the next release"


def test_a_disruption_budget_leaves_controllers_to_answer(cluster: Cluster) -> None:
    install(cluster, "--create-namespace", "-n", "budget", release="b")
    found = cluster.get("/apis/policy/v1/namespaces/budget/poddisruptionbudgets/b-sagastack")
    assert found["spec"]["maxUnavailable"] == 1
    selector = found["spec"]["selector"]["matchLabels"]
    labels = stateful_set(cluster, "budget", "b-sagastack")["spec"]["template"]["metadata"][
        "labels"
    ]
    assert selector.items() <= labels.items()


def test_its_pods_are_let_into_a_namespace_with_the_strictest_rules(cluster: Cluster) -> None:
    namespace = {"metadata": {"name": "strict", "labels": STRICT}}
    cluster.make("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace"} | namespace)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    cluster.make("/api/v1/namespaces/strict/serviceaccounts", account)
    shares = ("images", "downloads")
    claims = [word for one in shares for word in ("--set", f"{one}.existingClaim={one}")]
    install(cluster, "-n", "strict", *claims, release="s")
    template = stateful_set(cluster, "strict", "s-sagastack")["spec"]["template"]
    # As the controller of stateful sets does it: a claim stands where the template says "home".
    home = {"name": "home", "persistentVolumeClaim": {"claimName": "home-s-sagastack-0"}}
    template["spec"]["volumes"].append(home)
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
    pod["metadata"] = {"name": "s-sagastack-0", "labels": template["metadata"]["labels"]}
    made = cluster.make("/api/v1/namespaces/strict/pods", pod)
    assert made["status"]["phase"] == "Pending"
    loose = pod | {"metadata": {"name": "loose"}}
    loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    status, answer = cluster.ask("POST", "/api/v1/namespaces/strict/pods", loose)
    assert status == 403 and "allowPrivilegeEscalation" in answer["message"], "rules are kept here"
