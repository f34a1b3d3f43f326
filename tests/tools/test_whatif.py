"""`sagastack whatif`: a fork of the cloud in which only the simulator is behind the hosts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from aggregates.errors import NotAllowed
from drivers.sim.stand_in import StandIn, StandInSession
from engine.clock import SystemClock
from engine.image_places import on_disk
from engine.log import Stored
from engine.reconcilers.sweep import Sweeper
from engine.rehearsal import MARK
from engine.webhooks.deliver import Webhooks
from projections.host import hosts
from projections.vm import vms
from sagastack.boot import controller
from sagastack.client import Client
from sagastack.settings import Settings
from sagastack.tools.moments import Moment
from sagastack.tools.opened import opened
from sagastack.tools.whatif import Outcome, attempt, forked
from tests.e2e.server import ROOT, SAGASTACK, Api
from tests.log.corpus import fill
from tests.tenant.world import settled
from tests.tools.conftest import Lived
from tests.tools.run import run_tool

PLAN = """
# what would have happened
listVirtualMachines name=web
stopVirtualMachine id={1.virtualmachine.0.id}
deployVirtualMachine zoneid={1.virtualmachine.0.zoneid} name=other \
templateid={1.virtualmachine.0.templateid} serviceofferingid={1.virtualmachine.0.serviceofferingid}
"""


def plan(folder: Path, text: str = PLAN) -> str:
    path = folder / "plan.txt"
    path.write_text(text)
    return str(path)


def test_commands_are_tried_on_a_fork(lived: Lived, tmp_path: Path) -> None:
    at = ("--at", f"@{lived.marks['web']}")
    told = lived.told("whatif", *at, "--run", plan(tmp_path))
    assert [one["error"] for one in told["outcomes"]] == ["", "", ""]
    found = {row["name"]: row for row in told["diff"]["changes"] if row["kind"] == "vm"}
    assert set(found) == {"web", "other"}, "what came after the moment is not in the fork"
    assert found["web"]["fields"]["state"] == {"before": "Running", "after": "Stopped"}
    assert found["other"]["change"] == "came"
    assert found["other"]["fields"]["state"]["after"] == "Running"
    assert told["diff"]["from"]["position"] == lived.marks["web"]
    assert lived.place.api("listVirtualMachines", name="other").get("count", 0) == 0


def test_a_refusal_is_told_and_is_no_success(lived: Lived, tmp_path: Path) -> None:
    text = "startVirtualMachine id=nobody\nlistZones\nlistZones id={9.zone.id}\nlistZones x"
    status, out, err = lived.tool("whatif", "--run", plan(tmp_path, text))
    assert status == 1 and not err
    assert "NO  startVirtualMachine" in out and "ok  listZones" in out
    assert "there is no answer 9" in out and "'x' has no value): write command name=value" in out
    assert out.rstrip().endswith("nothing changed")


def test_the_fork_keeps_what_it_is_told_to_and_no_secret(lived: Lived, tmp_path: Path) -> None:
    into = tmp_path / "fork"
    status, _, err = lived.tool("whatif", "--into", str(into), "--run", plan(tmp_path, "listZones"))
    assert status == 0, err
    theirs = lived.place.server.credentials()
    status, out, _ = run_tool("--home", str(into), "credentials", "--json")
    ours = json.loads(out)
    assert ours["apikey"] == theirs["apikey"] and ours["secretkey"] != theirs["secretkey"]
    everything = b"".join(one.read_bytes() for one in into.rglob("*") if one.is_file())
    assert theirs["secretkey"].encode() not in everything
    again = lived.tool("whatif", "--into", str(into))
    assert again[0] == 1 and "give a new folder" in again[2]


def test_what_is_no_text_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "plan").write_bytes(b"\xff\xfe")
    words = ("--home", str(tmp_path), "whatif", "--run", str(tmp_path / "plan"))
    status, _, err = run_tool(*words)
    assert status == 1 and "is no text" in err


def test_before_there_was_a_cloud(lived: Lived) -> None:
    status, _, err = lived.tool("whatif", "--at", "@0")
    assert status == 1 and "there was no cloud yet" in err


@pytest.fixture
async def real(lived: Lived, tmp_path: Path) -> Settings:
    """The same cloud as if its hosts were KVM hosts in a network that answers nobody."""
    home = tmp_path / "real"
    home.mkdir()
    async with opened(Settings(home=lived.place.server.home, store=lived.store)) as (log, _):
        rows = [real_row(row) for row in await log.read_stored(limit=100_000)]
    fill(f"sqlite://{home}/log.db", rows)
    return Settings(home=home)


def real_row(row: Stored) -> Stored:
    state = row.state.replace(b'"hypervisor":"Simulator"', b'"hypervisor":"KVM"')
    if row.topic == "host.added":
        told: Any = json.loads(state)
        name = told["d"]["url"].rpartition("/")[2].partition("?")[0]
        told["d"]["url"] = f"qemu+ssh://root@192.0.2.1:22/{name}?keyfile=/nowhere"
        told["d"]["password_ref"] = "00000000-0000-4000-8000-000000000001"
        state = json.dumps(told).encode()
    return row._replace(state=state)


async def test_real_hosts_are_never_heard_of(real: Settings, tmp_path: Path) -> None:
    into = tmp_path / "fork"
    into.mkdir()
    async with forked(real, Moment("now"), into) as (_, served):
        assert {host.hypervisor for host in served.cloud[hosts]} == {"KVM"}
        await nothing_but_the_simulator(served)
        running = [vm for vm in served.cloud[vms] if vm.host_id is not None]
        assert running, "a guest that ran then runs in the fork"
        for vm in running:
            assert vm.host_id is not None
            session = await served.hosts.session(vm.host_id)
            assert await session.find_guest(vm.id) is not None
        before = await settled(served.cloud)
        sweeper = Sweeper(served.engine, served.hosts, SystemClock(), every_s=30)
        for _ in range(3):
            await sweeper.sweep()
        assert served.cloud.position == before, "the world is as the log says"
    assert (into / MARK).exists()
    async with controller(Settings(home=into, port=0)) as again:
        await nothing_but_the_simulator(again)


async def nothing_but_the_simulator(served: Any) -> None:
    for kind in ("KVM", "Simulator"):
        assert isinstance(served.drivers.get(kind), StandIn)
    for host in served.cloud[hosts]:
        assert isinstance(await served.hosts.session(host.id), StandInSession)


async def test_nobody_outside_is_told(real: Settings, tmp_path: Path) -> None:
    """The fork has the webhooks of the real cloud, and its own events are none of theirs."""
    nothing: Any = None
    into = tmp_path / "fork"
    into.mkdir()
    async with forked(real, Moment("now"), into) as (_, served):
        async with asyncio.timeout(60):
            await Webhooks(served.engine, served.vault, served.feed, SystemClock()).run()
        with pytest.raises(NotAllowed, match="rehearsal"):
            await served.gateway.engine.send_webhook(nothing)


async def test_an_image_outside_is_left_alone(real: Settings, tmp_path: Path) -> None:
    """A file that the log names is removed in the fork, not where it is."""
    precious = tmp_path / "store" / "image.qcow2"
    into = tmp_path / "fork"
    into.mkdir()
    assert on_disk(into, str(precious)) == precious
    async with forked(real, Moment("now"), into):
        place = on_disk(into, str(precious))
        assert place != precious and place.is_relative_to(into)
        assert on_disk(into, "images/x") == into / "images/x"


async def test_real_guests_live_on_in_the_fork(real: Settings, tmp_path: Path) -> None:
    """What was made on KVM hosts is moved, kept, grown and removed as it would be there."""
    into = tmp_path / "fork"
    into.mkdir()
    async with forked(real, Moment("now"), into) as (_, served), aiohttp.ClientSession() as web:
        keys = await served.credentials()
        assert keys is not None
        client = Client(web, served.endpoint, keys.api_key, keys.secret_key, SystemClock())
        done: list[Outcome] = []
        for line in LIFE:
            done.append(await attempt(client, line, done))
            assert not done[-1].error, done[-1]
        assert served.cloud[vms].get(UUID(done[0].answer["virtualmachine"][0]["id"])) is None
        sweeper, before = Sweeper(served.engine, served.hosts, SystemClock(), every_s=30), 0
        for _ in range(3):
            before = await settled(served.cloud)
            await sweeper.sweep()
        assert served.cloud.position == before, "nothing is left over"


LIFE = (
    "listVirtualMachines name=db listall=true",
    "findHostsForMigration virtualmachineid={1.virtualmachine.0.id}",
    "migrateVirtualMachine virtualmachineid={1.virtualmachine.0.id} hostid={2.host.0.id}",
    "listVolumes virtualmachineid={1.virtualmachine.0.id} listall=true",
    "createSnapshot volumeid={4.volume.0.id}",
    "stopVirtualMachine id={1.virtualmachine.0.id}",
    "revertSnapshot id={5.snapshot.id}",
    "resizeVolume id={4.volume.0.id} size=20",
    "startVirtualMachine id={1.virtualmachine.0.id}",
    "deleteSnapshot id={5.snapshot.id}",
    "destroyVirtualMachine id={1.virtualmachine.0.id} expunge=true",
)


async def test_a_command_that_is_none() -> None:
    nobody: Any = None
    done = await attempt(nobody, 'deploy "x', [])
    assert "not understood" in done.error and "command name=value" in done.error


def test_a_fork_is_served_until_it_is_interrupted(lived: Lived) -> None:
    words = (*lived.words, "whatif", "--json", *(("--store", lived.store) if lived.store else ()))
    command = [*SAGASTACK, *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            api = Api(told["endpoint"], told["apikey"], told["secretkey"])
            db = api.one("listVirtualMachines", "virtualmachine", name="db", listall="true")
            assert db["state"] == "Running"
            assert told["endpoint"] != lived.place.server.endpoint
            assert Path(told["home"]).exists()
        finally:
            process.terminate()
        assert process.wait(60) == 0
    assert not Path(told["home"]).exists(), "a fork that nobody wanted to keep is gone"


async def test_a_job_goes_on_in_the_fork_from_any_moment(lived: Lived, tmp_path: Path) -> None:
    """Also from a position in the midst of a commit."""
    source = Settings(home=lived.place.server.home, store=lived.store)
    vm_id = UUID(lived.ids["web"])
    async with opened(source) as (log, _):
        (made, *_, started) = [
            one.position
            for one in await log.read_stream(vm_id)
            if one.position <= lived.marks["web"]
        ]
    for position in range(made, started, 3):
        into = tmp_path / str(position)
        into.mkdir()
        at = Moment(f"@{position}", position=position)
        async with forked(source, at, into) as (fork, served), asyncio.timeout(120):
            assert made < fork.position < lived.marks["web"]
            job = served.cloud[vms][vm_id].job_id
            if job is not None:
                await served.engine.runner.wait(job)
            vm = served.cloud[vms][vm_id]
            assert vm.state == "Running" and vm.host_id is not None
