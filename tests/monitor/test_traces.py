"""A request can be followed through its job, its steps and the verbs of drivers, by OTLP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession

from api.app import make_app, start
from drivers.sim.faults import Fault
from engine.clock import SystemClock
from projections.saga import saga_runs
from sagastack.boot import controller
from sagastack.monitor.spans import span_id
from sagastack.monitor.tracing import tracing
from sagastack.settings import BadSetting, Settings
from tests.monitor.collector import Span, collector
from tests.tenant.test_vm_life import DEPLOY
from tests.tenant.world import Client, Place, place

CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
SERVER, CLIENT = 2, 3


@dataclass
class Traced:
    """A place whose runs are followed, and ann's way to the door that tells requests."""

    place: Place
    ann: Client

    async def ended(self, job_id: str) -> None:
        """Until the job is over and the last word of it is on its way to the collector."""
        runner = self.place.controller.engine.runner
        async with asyncio.timeout(120):
            await runner.wait(UUID(job_id))
            while UUID(job_id) in runner._driving:  # noqa: ASYNC110 - that is no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def traced(home: Path, otlp: str, name: str, **sim: str) -> AsyncIterator[Traced]:
    """When the block has ended, everything is told."""
    async with tracing(otlp, SystemClock(), name) as traces, place(home, **sim) as here:
        running = here.controller
        face: Any = running.gateway.engine
        traces.follow(running.engine, running.engine._world)
        app = make_app(running.gateway, feed=running.feed.follow)
        traces.add_to(app, face)
        server, port = await start(app, "127.0.0.1", 0)
        ann = Client(f"http://127.0.0.1:{port}/client/api", here.ann.key, here.ann.secret)
        try:
            yield Traced(here, ann)
        finally:
            await server.cleanup()


def trace_of(job_id: str) -> str:
    return UUID(job_id).hex


def only(spans: list[Span], name: str) -> Span:
    (found,) = (span for span in spans if span.name == name)
    return found


async def test_a_deploy_is_one_tree_from_the_request_to_the_verbs(tmp_path: Path) -> None:
    async with collector() as told:
        async with traced(tmp_path, told.url, "one") as here:
            job = (await here.ann("deployVirtualMachine", **DEPLOY))["jobid"]
            await here.ended(job)
    spans = told.of(trace_of(job))
    request, run = only(spans, "deployVirtualMachine"), only(spans, "saga vm.deploy:1")
    assert (request.parent, request.kind) == ("", SERVER)
    assert request.about["http.response.status_code"] == 200
    assert run.parent == request.id and run.error == ""
    assert run.start_ns <= run.end_ns
    steps = [span for span in spans if span.name.startswith("step ")]
    verbs = [span for span in spans if span.name.startswith("driver ")]
    commits = [span for span in spans if span.name.split()[0] in ("decide", "record")]
    assert [span.name for span in steps] == ["step create_disks", "step start"]
    assert verbs and commits
    assert {span.parent for span in (*steps, *commits)} == {run.id}
    assert {span.parent for span in verbs} <= {span.id for span in steps}
    assert {span.kind for span in verbs} == {CLIENT}
    assert only(verbs, "driver start_guest").about["sagastack.driver"].startswith("drivers.sim")
    assert len(spans) == 2 + len(steps) + len(verbs) + len(commits), [s.name for s in spans]
    assert all(span.instance == "one" for span in spans)


async def test_a_job_is_one_trace_across_controllers(tmp_path: Path) -> None:
    """The first controller goes away in the middle; nothing but the log leads to the second."""
    async with collector() as told:
        async with traced(tmp_path, told.url, "one", delay_s="0.4") as here:
            simulator: Any = here.place.controller.drivers.get("Simulator")
            asked = simulator.faults.fail("create_disk", Fault.BEFORE, nth=1000)
            job = (await here.ann("deployVirtualMachine", **DEPLOY))["jobid"]
            async with asyncio.timeout(60):
                while not asked.calls:  # noqa: ASYNC110 - no event says it
                    await asyncio.sleep(0.01)
        async with reopened(tmp_path, told.url, "two", UUID(job)):
            pass
    spans = told.of(trace_of(job))
    by = {name: {s.name for s in spans if s.instance == name} for name in ("one", "two")}
    assert "deployVirtualMachine" in by["one"] and "saga vm.deploy:1" in by["two"]
    assert "step start" in by["two"] - by["one"], by
    cut = only(spans, "step create_disks")
    assert (cut.instance, cut.about["sagastack.interrupted"]) == ("one", True)
    run = only(spans, "saga vm.deploy:1")
    assert run.parent == only(spans, "deployVirtualMachine").id
    parents = {s.parent for s in spans if s.name.startswith("step ")}
    assert parents == {run.id}, "steps of both lives are below the one run"


@asynccontextmanager
async def reopened(home: Path, otlp: str, name: str, job: UUID) -> AsyncIterator[None]:
    """The same data folder in another life, until the job is over."""
    settings = Settings(home=home, port=0, simulator={"delay_s": "0.4"})
    async with tracing(otlp, SystemClock(), name) as traces, controller(settings) as running:
        engine = running.engine
        traces.follow(engine, engine._world)
        async with asyncio.timeout(120):
            await engine.runner.wait(job)
            while job in engine.runner._driving:  # noqa: ASYNC110 - that is no event
                await asyncio.sleep(0.01)
        yield


async def test_what_goes_wrong_is_told_with_its_undo(tmp_path: Path) -> None:
    async with collector() as told:
        async with traced(tmp_path, told.url, "one") as here:
            simulator: Any = here.place.controller.drivers.get("Simulator")
            simulator.faults.fail("start_guest", Fault.REFUSED)
            job = (await here.ann("deployVirtualMachine", **DEPLOY))["jobid"]
            await here.ended(job)
    spans = told.of(trace_of(job))
    run = only(spans, "saga vm.deploy:1")
    assert run.error and run.about["error.type"] == "Refused"
    verb = only(spans, "driver start_guest")
    step = next(span for span in spans if span.id == verb.parent)
    assert verb.error and step.error and step.about["error.type"] == "Refused"
    undone = [span.name for span in spans if span.name.startswith("undo ")]
    assert len(undone) >= 2 and f"undo {step.name.removeprefix('step ')}" in undone


async def test_attempts_are_told_one_by_one(tmp_path: Path) -> None:
    async with collector() as told:
        async with traced(tmp_path, told.url, "one") as here:
            simulator: Any = here.place.controller.drivers.get("Simulator")
            simulator.faults.fail("start_guest", Fault.BEFORE, times=1)
            job = (await here.ann("deployVirtualMachine", **DEPLOY))["jobid"]
            await here.ended(job)
    verbs = [s for s in told.of(trace_of(job)) if s.name == "driver start_guest"]
    assert [bool(span.error) for span in verbs] == [True, False]
    assert verbs[0].parent != verbs[1].parent


async def test_a_callers_trace_is_linked_both_ways(tmp_path: Path) -> None:
    async with collector() as told:
        async with traced(tmp_path, told.url, "one") as here:
            job = await signed(here.ann, "deployVirtualMachine", **DEPLOY)
            await here.ended(job["deployvirtualmachineresponse"]["jobid"])
            await signed(here.ann, "listZones")
    job_id = job["deployvirtualmachineresponse"]["jobid"]
    asked = only(told.of(CALLER[0]), "deployVirtualMachine")
    assert (asked.parent, asked.kind) == (CALLER[1], SERVER)
    assert asked.links == ((trace_of(job_id), f"{span_id(UUID(job_id), 'run'):016x}"),)
    root = only(told.of(trace_of(job_id)), "deployVirtualMachine")
    assert root.links == (CALLER,)
    read = only(told.of(CALLER[0]), "listZones")
    assert (read.parent, read.links) == (CALLER[1], ())


async def signed(ann: Client, command: str, **params: str) -> Any:
    """One request with `traceparent`, as an instrumented client sends it."""
    asked = ann.cs._prepare_request(command, json=True, **params)[1]
    ann.cs._sign(asked)
    header = {"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"}
    async with ClientSession() as session:
        async with session.get(ann.endpoint, params=asked, headers=header) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


async def test_a_collector_that_is_gone_holds_nobody_up(tmp_path: Path) -> None:
    async with collector() as told:
        gone = told.url
    async with traced(tmp_path, gone, "one") as here:
        job = (await here.ann("deployVirtualMachine", **DEPLOY))["jobid"]
        await here.ended(job)
        row = here.place.controller.cloud[saga_runs][UUID(job)]
        assert row.state == "Succeeded"


@pytest.mark.parametrize("address", ["collector:4318", "ftp://collector", "http://"])
async def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadSetting, match="SAGASTACK_OTLP"):
        async with tracing(address, SystemClock(), "one"):
            pass
