"""What settings ask for is wired: figures, readiness, traces and traps of one controller."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.app import make_app, start
from engine.clock import SystemClock
from engine.cluster.duties import Alone
from engine.tasks import Tasks
from sagastack.settings import BadSetting, Settings
from sagastack.watching import Watching
from tests.monitor.collector import collector
from tests.monitor.conftest import fetched
from tests.monitor.test_traps import mailbox, say
from tests.tenant.test_vm_life import DEPLOY
from tests.tenant.world import Client, place


async def test_everything_that_settings_ask_for_is_there(tmp_path: Path) -> None:
    async with collector() as told, mailbox() as (box, port), place(tmp_path) as here:
        running, clock = here.controller, SystemClock()
        settings = replace(running.settings, otlp=told.url, snmp=f"hush@127.0.0.1:{port}")
        face: Any = running.gateway.engine
        async with AsyncExitStack() as stack:
            watching = await Watching.enter(settings, stack, clock)
            tasks = await stack.enter_async_context(Tasks())
            watching.begin(running.log, running.engine, running.engine._world, tasks)
            app = make_app(running.gateway, feed=running.feed.follow, metrics=watching.metrics)
            watching.add_to(app, face, running.gateway)
            watching.send_traps(tasks, Alone("one"), running.log, running.feed)
            server, door = await start(app, "127.0.0.1", 0)
            stack.push_async_callback(server.cleanup)
            async with asyncio.timeout(120):
                while not (tmp_path / "traps").exists():  # noqa: ASYNC110 - that is no event
                    await asyncio.sleep(0.01)
            ann = Client(f"http://127.0.0.1:{door}/client/api", here.ann.key, here.ann.secret)
            job = (await ann("deployVirtualMachine", **DEPLOY))["jobid"]
            await running.engine.runner.wait(UUID(job))
            await say(here, "smoke")
            assert (await box.next()).community == "hush"
            base = f"http://127.0.0.1:{door}"
            assert (await asyncio.to_thread(fetched, f"{base}/readyz"))[0] == 200
            _, text = await asyncio.to_thread(fetched, f"{base}/metrics")
        assert "sagastack_traps_sent_total 1\n" in text
        assert 'sagastack_lease_held{lease="traps"} 1\n' in text
        assert {"deployVirtualMachine", "step start"} <= {s.name for s in told.of(UUID(job).hex)}


async def test_without_settings_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; import sagastack.boot, sagastack.watching;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry', 'pysnmp'))])"
    )
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        printed, _ = await child.communicate()
    assert (child.returncode, printed.strip()) == (0, b"[]")


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTLP", "SNMP", "SNMP_OID"):
        monkeypatch.setenv(f"SAGASTACK_{name}", name)
    found = Settings.from_environment()
    assert (found.otlp, found.snmp, found.snmp_oid) == ("OTLP", "SNMP", "SNMP_OID")


async def test_receivers_that_cannot_be_understood_stop_the_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, snmp="host:none")
    watching = Watching(settings, AsyncExitStack(), SystemClock(), None)  # type: ignore[arg-type]
    watching._monitor = NoMonitor()  # type: ignore[assignment]
    with pytest.raises(BadSetting, match="SAGASTACK_SNMP"):
        watching.send_traps(None, Alone("one"), None, None)  # type: ignore[arg-type]


class NoMonitor:
    def add(self, source: object) -> None: ...
