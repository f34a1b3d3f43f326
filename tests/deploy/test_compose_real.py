"""compose.yaml and the Dockerfile, run: three controllers in containers are one cloud.

Podman stands in for Docker, docker-compose 1.29 (Debian's) reads the file, and the images of others
are stand-ins of the same names (`tests.peers.stand_in` says what they can show). Two things are
left out: `name:`, which that docker-compose does not know, and Grafana, which is in no registry of
packages. The image of the controllers is built by the Dockerfile as it is.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import yaml

from tests.e2e.place import deployment
from tests.e2e.server import Api, Awaitable
from tests.infra.build import data_center
from tests.peers import containers, stand_in
from tests.peers.containers import ROOT, Engine, Pulse

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

PORTS = {f"controller-{number}": 8080 + number for number in (1, 2, 3)}
BUILD_S, UP_S, SEEN_S = 600.0, 240.0, 60.0
IMAGE = "docker.io/library/sagastack"


@dataclass
class Stack:
    """What runs, and how to ask it."""

    engine: Engine
    file: str
    left_out: set[str]
    keys: dict[str, str] = field(default_factory=dict)
    shape: dict[str, Any] = field(default_factory=dict)

    def compose(self, *words: str, timeout_s: float = 120.0) -> str:
        command = ["docker-compose", "--ansi", "never", "-f", self.file, "-p", "sagastack"]
        command += ["--project-directory", str(ROOT)]
        return self.engine.run(*command, *words, timeout_s=timeout_s).stdout

    def states(self) -> dict[str, str]:
        """How each container is, by its service."""
        listed = json.loads(self.engine.podman("ps", "--all", "--format", "json") or "[]")
        service = "com.docker.compose.service"
        return {one["Labels"][service]: one["Status"] or one["State"] for one in listed}

    def logs(self) -> str:
        """The last words of everything that runs or ran."""
        return self.compose("logs", "--no-color", "--tail", "12")[-9000:]

    def inside(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in a service's container."""
        return self.engine.run("podman", "exec", name(service), *words, check=False)

    def tool(self, service: str, *words: str) -> Any:
        done = self.inside(service, "sagastack", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def api(self, service: str) -> Api:
        where = f"http://127.0.0.1:{PORTS[service]}/client/api"
        return Api(where, self.keys["apikey"], self.keys["secretkey"])

    def process(self, service: str) -> int:
        """The first process of a container, by its number inside the engine."""
        return int(self.inspect(service)["State"]["Pid"])

    def inspect(self, service: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.engine.podman("inspect", name(service)))
        return found[0]


def name(service: str) -> str:
    return f"sagastack_{service}_1"


def get(service: str, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{PORTS[service]}{path}", timeout=10)


def until(seen: Callable[[], Any], what: str, timeout_s: float = SEEN_S) -> Any:
    """What `seen` gives once it is true; nobody answering counts as not yet."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            found: Any = seen()
        except (requests.RequestException, AssertionError) as error:
            found, last = None, error
        else:
            last = None
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not in {timeout_s:.0f} s ({last})"
        time.sleep(0.25)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """All services, up and well, with one zone of simulated hosts; taken down at the end."""
    lacking = containers.missing()
    if lacking:
        containers.lacking(f"compose.yaml was not run: no containers here without {lacking}")
    with containers.engine() as engine:
        left_out = stand_in.provide(engine, lambda: engine.build(IMAGE, ROOT, BUILD_S))
        told = yaml.safe_load((ROOT / "compose.yaml").read_text())
        told.pop("name")
        services = told["services"].items()
        told["services"] = {name: one for name, one in services if one["image"] not in left_out}
        file = engine.root / "compose.yaml"
        file.write_text(yaml.safe_dump(told))
        made = Stack(engine, str(file), left_out)
        pulse = Pulse(engine)
        pulse.start()
        try:
            with engine.network():
                try:
                    made.compose("up", "-d", "--no-build", timeout_s=UP_S)
                except AssertionError as error:
                    raise AssertionError(f"{error}\n{made.states()}\n{made.logs()}") from error
                for service in PORTS:
                    until(lambda: get(service, "/readyz").ok, f"{service} ready")  # noqa: B023
                made.keys = made.tool("controller-1", "credentials")
                first = made.api("controller-1")
                built = asyncio.run(data_center(Awaitable(first)))  # type: ignore[arg-type]
                made.shape = deployment(first, built.zone)
                yield made
                made.compose("down", "--volumes", "--timeout", "30")
        finally:
            pulse.stop()


def test_every_service_is_up_and_says_that_it_is_well(stack: Stack) -> None:
    assert stack.left_out == {"grafana/grafana:12.1.1"}
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    def well() -> bool:
        states = stack.states()
        checked = [one for one in states if one not in ("keys", "prometheus")]
        assert states.keys() == services.keys() - {"grafana"}
        assert states["keys"].startswith("Exited (0)") and states["prometheus"].startswith("Up")
        assert all("(healthy)" in states[one] for one in checked), states
        return True

    until(well, "everything healthy")


def test_controllers_run_without_root_and_without_compilers(stack: Stack) -> None:
    for service in PORTS:
        assert stack.inside(service, "id", "-u").stdout.split() == ["10001"]
        assert stack.inside(service, "sh", "-c", "command -v gcc").returncode != 0
    programs = "qemu-img --version; ssh -V; python -c 'import libvirt, opentelemetry, uvloop'"
    done = stack.inside("controller-1", "sh", "-ec", programs)
    assert done.returncode == 0, done.stderr
    refused = stack.inside("controller-2", "sh", "-c", "echo x > /keys/vault.key")
    assert "Read-only file system" in refused.stderr
    assert stack.inside(
        "controller-2", "stat", "-c", "%u %a", "/keys/vault.key"
    ).stdout.split() == (["10001", "400"])


def test_each_controller_answers_and_gives_the_same_keys(stack: Stack) -> None:
    told = stack.compose("exec", "-T", "controller-1", "sagastack", "credentials", "--json")
    assert json.loads(told) == stack.keys, "as the head of compose.yaml has it"
    assert stack.keys["endpoint"] == "http://127.0.0.1:8080/client/api", "not 0.0.0.0"
    for service in PORTS:
        assert get(service, "/healthz").ok and get(service, "/readyz").ok
        assert stack.tool(service, "credentials") == stack.keys


def test_guests_are_deployed_through_each_and_seen_by_all(stack: Stack) -> None:
    made = {}
    for service in PORTS:
        asked = stack.shape | {"name": f"from-{service}"}
        made[service] = stack.api(service)("deployVirtualMachine", **asked)["virtualmachine"]
        assert made[service]["state"] == "Running"
    for service in PORTS:
        for vm in made.values():
            api = stack.api(service)
            assert api.one("listVirtualMachines", "virtualmachine", id=vm["id"])["state"] == (
                "Running"
            )
    # Whoever asks, the guest is found where it runs: there is one simulated data centre.
    for service, vm in zip(reversed(PORTS), made.values(), strict=True):
        stopped = stack.api(service)("stopVirtualMachine", id=vm["id"])["virtualmachine"]
        assert stopped["state"] == "Stopped"
        started = stack.api(service)("startVirtualMachine", id=vm["id"])["virtualmachine"]
        assert started["state"] == "Running"


def test_a_session_goes_on_at_another_controller(stack: Stack) -> None:
    who = {"username": stack.keys["username"], "password": stack.keys["password"]}
    with requests.Session() as browser:
        asked = {"command": "login", "response": "json"} | who
        where = "http://127.0.0.1:{}/client/api"
        answer = browser.post(where.format(PORTS["controller-1"]), data=asked, timeout=10)
        session = answer.json()["loginresponse"]["sessionkey"]
        for service in ("controller-2", "controller-3"):
            asked = {"command": "listZones", "response": "json", "sessionkey": session}
            told = browser.post(where.format(PORTS[service]), data=asked, timeout=10)
            assert told.json()["listzonesresponse"]["count"] == 1, told.text


def test_prometheus_scrapes_every_controller_and_takes_the_rules(stack: Stack) -> None:
    def ask(path: str) -> Any:
        told = requests.get(f"http://127.0.0.1:9090/api/v1/{path}", timeout=10).json()
        assert told["status"] == "success", told
        return told["data"]

    def all_up() -> bool:
        targets = ask("targets")["activeTargets"]
        states = {one["labels"]["instance"]: (one["health"], one["lastError"]) for one in targets}
        assert states == {f"{service}:8080": ("up", "") for service in PORTS}, states
        return True

    until(all_up, "three targets")
    told = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    wanted = {rule["alert"] for group in told for rule in group["rules"]}

    def all_evaluated() -> bool:
        rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in rules} == wanted
        assert all(rule["health"] == "ok" for rule in rules), [r for r in rules if r["lastError"]]
        return True

    until(all_evaluated, "every rule evaluated")
    counted = ask('query?query=count(sagastack_lease_held{lease="relay"})')["result"]
    assert counted[0]["value"][1] == "3"


def leases(service: str) -> set[str]:
    """The duties that a controller has by its own word."""
    lines = get(service, "/metrics").text.splitlines()
    held = [one for one in lines if one.startswith("sagastack_lease_held{") and one.endswith(" 1")]
    return {one.split('lease="')[1].split('"')[0] for one in held}


def test_a_killed_controller_is_replaced_by_others_and_comes_back(stack: Stack) -> None:
    duties = {service: leases(service) for service in PORTS}
    assert set.union(*duties.values()), "somebody has duties"
    victim = max(PORTS, key=lambda service: len(duties[service]))
    others = [service for service in PORTS if service != victim]
    stack.engine.podman("kill", name(victim))
    killed = time.monotonic()
    until(
        lambda: duties[victim] <= set.union(*(leases(one) for one in others)),
        f"the duties of {victim} at others",
        timeout_s=30,
    )
    took_s = time.monotonic() - killed
    assert took_s < 10, f"taken over after {took_s:.1f} s"
    asked = stack.shape | {"name": "after-the-kill"}
    vm = stack.api(others[0])("deployVirtualMachine", **asked)["virtualmachine"]
    assert vm["state"] == "Running"
    stack.compose("start", victim)
    until(lambda: get(victim, "/readyz").ok, f"{victim} is back")
    found = stack.api(victim).one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert found["state"] == "Running"


def test_a_controller_that_crashes_is_started_again(stack: Stack) -> None:
    before = stack.process("controller-2")
    stack.engine.run("kill", "-KILL", str(before))
    until(lambda: stack.process("controller-2") not in (0, before), "started anew")
    until(lambda: get("controller-2", "/readyz").ok, "controller-2 is back")


def test_without_the_database_controllers_stay_and_say_so(stack: Stack) -> None:
    def status() -> Any:
        return get("controller-1", "/readyz").json()["status"]

    stack.compose("stop", "postgres")
    until(lambda: status() == "degraded", "degraded")
    assert get("controller-1", "/readyz").ok, "reads go on, so it stays in service"
    assert get("controller-1", "/healthz").ok, "nobody may kill it for that"
    assert stack.api("controller-1")("listVirtualMachines")["count"] == 4
    stack.compose("start", "postgres")
    until(lambda: status() == "ready", "ready again")


def test_controllers_end_when_they_are_asked_to(stack: Stack) -> None:
    stack.compose("stop", "--timeout", "30", *PORTS)
    for service in PORTS:
        assert stack.inspect(service)["State"]["ExitCode"] in (0, 143), service
    stack.compose("start", *PORTS)
    for service in PORTS:
        until(lambda: get(service, "/readyz").ok, f"{service} ready again")  # noqa: B023
    assert stack.api("controller-3")("listVirtualMachines")["count"] == 4
