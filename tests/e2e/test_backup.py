"""Backups on the command line: taken beside a server, proved, restored, served again."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.place import Place, cloud
from tests.e2e.server import Server


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with cloud(tmp_path_factory.mktemp("backup") / "home") as place:
        yield place


def told(server: Server, *words: str, status: int = 0) -> dict[str, Any]:
    done = server.tool(*words, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["ok"] is (status == 0)
    return found


def sealed(server: Server) -> None:
    """Wait until the server has sealed once: it does so within seconds, of its own."""
    for _ in range(60):
        if json.loads(server.tool("verify", "--json").stdout)["seals"]:
            return
        time.sleep(0.5)
    raise AssertionError("no seal after half a minute")


def test_a_cloud_goes_back_to_a_moment_and_is_served_again(lived: Place, tmp_path: Path) -> None:
    server = lived.server
    tenant = lived.tenant()
    vm = lived.deploy(tenant, name="kept")
    sealed(server)
    full = told(server, "backup", "--out", str(tmp_path))
    assert full["signed"] and full["events"] == full["position"] > 100
    assert oct(os.stat(full["file"]).st_mode & 0o777) == "0o600"
    later = lived.deploy(tenant, name="later")
    moment = datetime.now(UTC).isoformat()
    tenant("stopVirtualMachine", id=vm["id"])
    since = told(server, "backup", "--out", str(tmp_path), "--since", full["file"])
    assert since["after"] == full["position"] < since["position"]
    files = [full["file"], since["file"]]
    assert told(server, "verify", *files)["events"] == since["position"]
    assert told(server, "verify", *files, "--seals", str(server.home))["faults"] == []
    assert told(server, "verify", since["file"], status=1)["faults"]

    # The keys are in none of them.
    home = tmp_path / "restored"
    into = ("restore", *files, "--into", f"sqlite://{home}/log.db", "--until", moment)
    refused = server.tool(*into)
    assert refused.returncode == 1 and "it is in no backup" in refused.stderr
    assert not home.exists()
    done = told(server, *into, "--keys", str(server.home))
    assert full["position"] < done["position"] < since["position"]
    assert done["guests_running"] == 2 and done["cloud"] != done["former_cloud"] == full["cloud"]
    assert done["replayed_to"] == done["position"] + 1 == done["events"]
    again = server.tool(*into, "--keys", str(server.home))
    assert again.returncode == 1 and "is there already" in again.stderr

    # The former controller stops, and the restored one goes on from that moment.
    assert server.stop() == 0
    second = Server(home)
    second.start()
    try:
        api = second.api()
        names = {one["name"] for one in api("listVirtualMachines", listall=True)["virtualmachine"]}
        assert names == {"kept", later["name"]}
        lived.api = api
        lived.deploy(name="new")
    finally:
        assert second.stop() == 0
    assert told(second, "verify", "--strict")["events"] > done["events"]
    assert told(second, "replay")["differing"] == []
    # The former cloud's seals do not prove what came behind, and say where it parts.
    parted = told(second, "verify", "--seals", str(server.home), status=1)
    assert parted["faults"]
    server.start()
    lived.api = server.api()


def test_a_tenant_proves_its_past(lived: Place, tmp_path: Path) -> None:
    server = lived.server
    tenant, other = lived.tenant(), lived.tenant()
    mine, theirs = lived.deploy(tenant), lived.deploy(other)
    lived.expunge(theirs, other)
    row = tenant("listAccounts")["account"][0]
    account = row["id"]
    assert server.stop() == 0  # It seals all that there is.
    out = tmp_path / "mine.proof.gz"
    proved = told(server, "prove", "--account", account, "--out", str(out))
    assert proved["events"] > 5 and proved["not_sealed_yet"] == 0
    by_name = told(server, "prove", "--account", row["name"], "--out", f"{out}.by-name")
    assert by_name["account"] == account and by_name["events"] == proved["events"]
    elsewhere = Server(tmp_path / "elsewhere")
    checked = told(elsewhere, "verify", str(out))
    assert checked["what"] == "proof" and checked["events"] == proved["events"]
    store = f"sqlite://{server.home}/log.db"
    kept = ("--seals", str(server.home))
    assert told(elsewhere, "verify", str(out), *kept, "--store", store)["faults"] == []
    said = elsewhere.tool("verify", str(out)).stdout
    assert "not proved: that they are all" in said and "is whole" in said
    plain = unpacked(out)
    assert mine["id"] in plain and theirs["id"] not in plain
    out.write_bytes(out.read_bytes()[:-7])
    assert told(elsewhere, "verify", str(out), status=1)["faults"]
    server.start()
    lived.api = server.api()


def unpacked(path: Path) -> str:
    """What any tool makes of it."""
    with gzip.open(path, "rt") as file:
        return file.read()
