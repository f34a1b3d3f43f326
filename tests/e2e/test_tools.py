"""`sagastack` on the command line: what each tool tells, beside a server and without one."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from sagastack.settings import Settings, pairs
from sagastack.tools.verify import verify
from tests.e2e.place import Place, cloud
from tests.e2e.server import Api, Server

LAST = "(SELECT max(rowid) FROM stored_events)"
CHANGES = (
    "DELETE FROM stored_events WHERE rowid = 20",
    f"DELETE FROM stored_events WHERE rowid = {LAST}",
    f"UPDATE stored_events SET rowid = rowid + 1000 WHERE rowid = {LAST}",
    "UPDATE stored_events SET topic = 'zone.removed' WHERE rowid = 20",
    "UPDATE stored_events SET originator_version = 9 WHERE rowid = 20",
)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A cloud of these tests' own, in which a guest called `first` has lived a little."""
    with cloud(tmp_path_factory.mktemp("tools") / "home") as place:
        vm = place.deploy(name="first")
        place.api("stopVirtualMachine", id=vm["id"])
        yield place


def lines(server: Server, *words: str) -> list[dict[str, Any]]:
    done = server.tool(*words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_history_tells_a_life(lived: Place) -> None:
    vm = lived.api.one("listVirtualMachines", "virtualmachine", name="first")
    by_id = lines(lived.server, "history", "vm", vm["id"], "--no-steps", "--json")
    topics = [one["event"] for one in by_id]
    assert topics[0] == "vm.created" and topics[-1] == "vm.stopped"
    assert "vm.started" in topics
    assert {one["by"] for one in by_id} == {"admin"}
    assert by_id[-1]["job"] == "vm.stop:1"
    told = lived.server.tool("history", "vm", "first", "--no-steps").stdout.splitlines()
    assert len(told) == len(by_id)
    assert all(" by admin" in line for line in told) and "vm.stopped" in told[-1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("vm", "nobody"), "no vm is, or ever was, called nobody"),
        (("spaceship", "x"), "there is no kind spaceship"),
        (("vm", "00000000-0000-0000-0000-000000000001"), "the log knows no vm"),
    ],
)
def test_history_says_what_it_does_not_know(
    lived: Place, words: tuple[str, str], text: str
) -> None:
    done = lived.server.tool("history", *words)
    assert done.returncode == 1 and text in done.stderr
    assert "Traceback" not in done.stderr


def test_export_is_every_event_in_order(lived: Place) -> None:
    events = lines(lived.server, "export")
    assert [one["position"] for one in events] == list(range(1, len(events) + 1))
    assert {"topic", "stream", "version", "at_ms", "data"} <= set(events[-1])
    assert [one["at_ms"] for one in events] == sorted(one["at_ms"] for one in events)
    versions: dict[str, int] = {}
    for one in events:
        assert one["version"] == versions.get(one["stream"], 0) + 1
        versions[one["stream"]] = one["version"]
    part = lines(lived.server, "export", "--after", "3", "--until", "7")
    assert part == events[3:7]


def test_replay_and_verify_beside_a_server(lived: Place) -> None:
    (told,) = lines(lived.server, "replay", "--json")
    assert told["ok"] is True and told["events"] > 100, told
    done = lived.server.tool("verify")
    assert done.returncode == 0 and "is whole" in done.stdout


def test_the_doctor_finds_nothing_wrong(lived: Place) -> None:
    done = lived.server.tool("doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = {one["name"]: one for one in json.loads(done.stdout)}
    assert all(one["ok"] for one in checks.values() if one["needed"]), checks
    assert {"data folder", "log", "sealed store", "drivers"} <= set(checks)


def test_the_doctor_says_what_to_do(lived: Place) -> None:
    key = lived.server.home / "secrets.db.key"
    mode = key.stat().st_mode
    key.chmod(0o644)
    try:
        done = lived.server.tool("doctor")
    finally:
        key.chmod(mode)
    assert done.returncode == 1
    assert "FAIL  sealed store" in done.stdout and f"do: chmod 600 {key}" in done.stdout


def test_credentials_open_the_door(lived: Place) -> None:
    found = lived.server.credentials()
    assert list(found) == ["endpoint", "apikey", "secretkey", "username", "password"]
    assert found["endpoint"] == lived.server.endpoint
    api = Api(found["endpoint"], found["apikey"], found["secretkey"])
    assert api("listZones")["count"] == 1
    told = lived.server.tool("credentials").stdout
    assert all(value in told for value in found.values())


def test_a_second_server_on_the_folder_refuses(lived: Place) -> None:
    second = lived.server.tool("serve", "--port", "0")
    assert second.returncode == 1
    assert f"process {lived.server.pid} already writes the log" in second.stderr
    assert "stop it first" in second.stderr and "Traceback" not in second.stderr
    assert lived.api("listZones")["count"] == 1
    assert lived.server.credentials()["endpoint"] == lived.server.endpoint


def test_a_restart_keeps_the_cloud(lived: Place) -> None:
    server, before = lived.server, snapshot(lived.api)
    assert server.stop() == 0
    told = server.start()
    print(f"\nfrom start to endpoint: {server.ready_s:.2f} s")
    assert f"the console is at {server.base}/client/" in told[:-1], "what people need comes first"
    first = requests.get(server.base, timeout=60)
    assert (first.status_code, first.url) == (200, f"{server.base}/client/")
    lived.api = server.api()
    assert snapshot(lived.api) == before


MEASURED = frozenset({
    *("cpuused", "memoryused", "networkkbsread", "networkkbswrite", "memorykbs"),
    *("memoryintfreekbs", "memorytargetkbs", "diskkbsread", "diskkbswrite", "diskioread"),
    "diskiowrite",
})  # fmt: skip
"""These are of this life of the controller: measured, and no facts of the log."""


def snapshot(api: Api) -> dict[str, Any]:
    """What the lists say, but for what was measured."""
    lists = {
        "listVirtualMachines": "virtualmachine", "listVolumes": "volume", "listHosts": "host",
        "listNetworks": "network", "listZones": "zone",
    }  # fmt: skip
    return {
        command: [
            {name: value for name, value in row.items() if name not in MEASURED}
            for row in api(command)[key]
        ]
        for command, key in lists.items()
    }


def test_a_port_that_is_taken_is_told(lived: Place, tmp_path: Path) -> None:
    port = lived.server.base.rpartition(":")[2]
    done = Server(tmp_path / "other").tool("serve", "--port", port)
    assert done.returncode == 1
    assert port in done.stderr and "choose another --host or --port" in done.stderr
    assert "Traceback" not in done.stderr


def test_tools_on_an_empty_folder(tmp_path: Path) -> None:
    done = Server(tmp_path / "none").tool("credentials", "--json")
    assert done.returncode == 1 and "run `sagastack serve` first" in done.stderr
    assert not (tmp_path / "none" / "log.db").exists()


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("SAGASTACK_RECONCILE_S", "often", "SAGASTACK_RECONCILE_S=often"),
        ("SAGASTACK_SIMULATOR", "gravity=off", "gravity"),
        ("SAGASTACK_PORT", "http", "SAGASTACK_PORT=http"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, variable: str, value: str, text: str) -> None:
    done = Server(tmp_path / "home", **{variable: value}).tool("serve")
    assert done.returncode == 1
    assert text in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("delay_s=0.02,seed=7", {"delay_s": "0.02", "seed": "7"}),
        (
            "fail.create_disk=0.1:unknown,#3:before,seed=7",
            {"fail.create_disk": "0.1:unknown,#3:before", "seed": "7"},
        ),
    ],
)
def test_settings_of_a_driver(text: str, settings: dict[str, str]) -> None:
    assert pairs(text) == settings


def test_the_integration_port_asks_nobody_who_they_are(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(tmp_path / "home")
    server.start("serve", "--port", "0", "--integration-port", str(port))
    try:
        url, ask = f"http://127.0.0.1:{port}", {"command": "listApis", "response": "json"}
        answer = requests.get(f"{url}/client/api", params=ask, timeout=60).json()
        assert answer["listapisresponse"]["count"] > 100
        assert requests.get(server.endpoint, params=ask, timeout=60).status_code == 401
        lured = requests.get(url, params=ask, headers={"Origin": "http://x"}, timeout=60)
        assert lured.status_code == 403
    finally:
        server.stop()


class TestTampering:
    """Last in this file: each changes the log of the stopped server, and puts it back."""

    @pytest.fixture(autouse=True)
    def stopped(self, lived: Place) -> Iterator[None]:
        if lived.server.runs:
            lived.server.stop()
        log = lived.server.home / "log.db"
        kept = log.read_bytes()
        assert faults(lived) == []
        yield
        log.write_bytes(kept)

    def test_a_changed_byte_is_found(self, lived: Place) -> None:
        log = lived.server.home / "log.db"
        content = log.read_bytes()
        assert content.count(b'"first"') >= 1
        log.write_bytes(content.replace(b'"first"', b'"fjrst"', 1))
        done = lived.server.tool("verify")
        assert done.returncode == 1
        assert "FAULT: position" in done.stdout and "is NOT whole" in done.stdout
        assert "FAIL  log" in lived.server.tool("doctor").stdout

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_dropped_moved_or_added_event_is_found(self, lived: Place, change: str) -> None:
        with closing(sqlite3.connect(lived.server.home / "log.db")) as log, log:
            assert log.execute(change).rowcount == 1
        assert faults(lived)


def faults(place: Place) -> list[str]:
    return asyncio.run(verify(Settings(home=place.server.home))).faults
