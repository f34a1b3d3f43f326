"""The chart lints, and makes controllers that can start: their key, probes, names and settings."""

from __future__ import annotations

import base64
from typing import Any

from tests.deploy.test_compose import variables_read
from tests.peers.helm import CHART, KUBERNETES, helm, manifests

STORE = "postgres://u:p@db:5432/sagastack"


def pod(**values: str) -> dict[str, Any]:
    made = cluster(**values)
    spec: dict[str, Any] = made["StatefulSet", "r-sagastack"]["spec"]["template"]["spec"]
    return spec


def cluster(**values: str) -> dict[tuple[str, str], dict[str, Any]]:
    return manifests(**({"postgres__url": STORE, "kafka__servers": "k:9092"} | values))


def variables(spec: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in _main(spec)["env"]}


def _main(spec: dict[str, Any]) -> dict[str, Any]:
    (found,) = (one for one in spec["containers"] if one["name"] == "controller")
    container: dict[str, Any] = found
    return container


def test_helm_finds_nothing_wrong() -> None:
    chosen = f"postgres.url={STORE},kafka.servers=k:9092"
    done = helm("lint", "--strict", str(CHART), "--set", chosen)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_missing_is_named() -> None:
    for given, missing in (
        ("kafka.servers=k:9092", "postgres.existingSecret must be given"),
        (f"postgres.url={STORE}", "kafka.servers must be given where there are several"),
    ):
        done = helm("template", "r", str(CHART), "--kube-version", KUBERNETES, "--set", given)
        assert done.returncode != 0 and missing in done.stderr
    assert manifests(postgres__url=STORE, replicas="1"), "one may be without Kafka"


def test_the_least_that_is_given_makes_a_cluster() -> None:
    made = cluster()
    assert {kind for kind, _ in made} == {
        "StatefulSet", "Service", "Secret", "PodDisruptionBudget",
    }  # fmt: skip
    stateful = made["StatefulSet", "r-sagastack"]["spec"]
    assert stateful["replicas"] == 3
    each = made["Service", stateful["serviceName"]]["spec"]
    assert each["clusterIP"] == "None"
    labels = stateful["template"]["metadata"]["labels"].items()
    for kind in ("Service", "PodDisruptionBudget"):
        spec = made[kind, "r-sagastack"]["spec"]
        chosen = spec["selector"] if kind == "Service" else spec["selector"]["matchLabels"]
        assert chosen.items() <= labels, f"{kind} finds the controllers"
    assert made["PodDisruptionBudget", "r-sagastack"]["spec"]["maxUnavailable"] == 1
    assert made["Secret", "r-sagastack-store"]["stringData"] == {"url": STORE}


def test_the_key_is_32_bytes_and_stays() -> None:
    secret = cluster()["Secret", "r-sagastack-vault"]
    assert len(base64.b64decode(secret["data"]["vault.key"])) == 32
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_only_the_controller_may_read_its_key() -> None:
    """A mounted Secret is its group's to read, and a key that others may read is refused."""
    spec = pod()
    (copy,) = spec["initContainers"]
    source, target = copy["command"][-2:]
    assert copy["command"][:3] == ["install", "-m", "0400"]
    mounts = {one["name"]: one["mountPath"] for one in copy["volumeMounts"]}
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert source == f"{mounts['secret']}/vault.key" and target == f"{mounts['key']}/vault.key"
    assert volumes["secret"]["secret"]["secretName"] == "r-sagastack-vault"
    assert volumes["key"]["emptyDir"]["medium"] == "Memory"
    assert variables(spec)["SAGASTACK_VAULT_KEY_FILE"] == target
    assert {"name": "key", "mountPath": "/key", "readOnly": True} in _main(spec)["volumeMounts"]


def test_controllers_are_nobody_special() -> None:
    spec = pod()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    for one in (*spec["containers"], *spec["initContainers"]):
        own = one["securityContext"]
        assert own["readOnlyRootFilesystem"] is True and own["capabilities"] == {"drop": ["ALL"]}
        assert own["allowPrivilegeEscalation"] is False


def test_probes_ask_what_the_controller_answers() -> None:
    main = _main(pod(startupSeconds="61"))
    asked = {name: main[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert asked["startup"] == asked["readiness"] == {"path": "/readyz", "port": "http"}
    assert asked["liveness"] == {"path": "/healthz", "port": "http"}
    probe = main["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] >= 61


def test_every_variable_is_one_that_a_controller_reads() -> None:
    spec = pod(
        kafka__servers="k:9092", otlp="http://o:4318", snmp__existingSecret="s", snmp__oid="1.3.6"
    )
    told = variables(spec)
    assert told["SAGASTACK_STORE"] == {"secretKeyRef": {"name": "r-sagastack-store", "key": "url"}}
    assert told["SAGASTACK_SNMP"] == {"secretKeyRef": {"name": "s", "key": "receivers"}}
    assert not told.keys() - variables_read(), "nobody reads these"


def test_secrets_of_ones_own_are_used_and_none_is_made() -> None:
    made = cluster(postgres__existingSecret="mine", vault__existingSecret="my-key")
    assert not [kind for kind, _ in made if kind == "Secret"]
    spec = made["StatefulSet", "r-sagastack"]["spec"]["template"]["spec"]
    assert variables(spec)["SAGASTACK_STORE"]["secretKeyRef"]["name"] == "mine"
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert volumes["secret"]["secret"]["secretName"] == "my-key"


def test_what_is_optional_is_there_when_it_is_asked_for() -> None:
    made = manifests(
        postgres__url=STORE, serviceMonitor__enabled="true", ingress__enabled="true",
        ingress__host="cloud.example", images__existingClaim="images", replicas="1",
        downloads__existingClaim="downloads",
    )  # fmt: skip
    monitor = made["ServiceMonitor", "r-sagastack"]["spec"]
    assert monitor["endpoints"][0]["path"] == "/metrics"
    assert monitor["endpoints"][0]["relabelings"][0]["regex"] == "r-sagastack-each"
    (rule,) = made["Ingress", "r-sagastack"]["spec"]["rules"]
    assert "/metrics" not in {one["path"] for one in rule["http"]["paths"]}
    assert ("PodDisruptionBudget", "r-sagastack") not in made, "one controller could never drain"
    spec = made["StatefulSet", "r-sagastack"]["spec"]["template"]["spec"]
    mounts = {one["name"]: one["mountPath"] for one in _main(spec)["volumeMounts"]}
    for name in ("images", "downloads"):
        assert mounts[name] == f"{variables(spec)['SAGASTACK_HOME']}/{name}"
