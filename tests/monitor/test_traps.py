"""Alerts, and jobs that wait for a person, are sent as SNMPv2c traps, each once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyasn1.codec.ber import decoder

from drivers.sim.faults import Fault
from engine.clock import SystemClock
from engine.cluster.database import Database
from engine.intents import SYSTEM
from engine.intents.finding import SayAlert
from engine.log import LogUnavailable
from sagastack.monitor import traps as words
from sagastack.monitor.cursor import FileCursor, TableCursor
from sagastack.monitor.snmp import (
    EXAMPLE_OID,
    SNMP_TRAP_OID,
    TEXT_BYTES,
    V2C,
    Receiver,
    Trap,
    checked_oid,
    encode,
    receivers,
)
from sagastack.monitor.traps import Traps
from sagastack.settings import BadSetting
from tests.peers.netsnmp import DEPLOY, translated, trap_daemon
from tests.peers.postgres import postgres  # noqa: F401 - a fixture
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import Place, named, place

WAIT_S = 60


@dataclass(frozen=True)
class Read:
    """A trap as it came: community, number of the notification, objects by their numbers."""

    community: str
    number: int
    objects: dict[int, str]


class Mailbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[Read] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.put_nowait(decoded(data))

    async def next(self) -> Read:
        async with asyncio.timeout(WAIT_S):
            return await self.came.get()


def decoded(data: bytes) -> Read:
    message, rest = decoder.decode(data, asn1Spec=V2C.Message())
    assert not rest and int(message["version"]) == 1, "SNMPv2c"
    told = {
        str(name): value
        for name, value in V2C.apiTrapPDU.get_varbinds(V2C.apiMessage.get_pdu(message))
    }
    base, _, number = str(told[SNMP_TRAP_OID]).rpartition(".")
    assert base == f"{EXAMPLE_OID}.0"
    objects = {
        int(name.split(".")[-2]): bytes(value).decode()
        if hasattr(value, "asOctets")
        else str(value)
        for name, value in told.items()
        if name.startswith(f"{EXAMPLE_OID}.1.")
    }
    return Read(bytes(V2C.apiMessage.get_community(message)).decode(), int(number), objects)


@asynccontextmanager
async def mailbox() -> AsyncIterator[tuple[Mailbox, int]]:
    loop = asyncio.get_running_loop()
    transport, box = await loop.create_datagram_endpoint(Mailbox, local_addr=("127.0.0.1", 0))
    try:
        yield box, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@asynccontextmanager
async def sending(here: Place, port: int, folder: Path) -> AsyncIterator[Traps]:
    running = here.controller
    to = [Receiver("127.0.0.1", port, "hush")]
    cursor = FileCursor(folder / "traps")
    made = Traps(to, running.feed.follow, running.log, SystemClock(), cursor)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.run(1))
        async with asyncio.timeout(WAIT_S):
            while await cursor.load() is None:  # noqa: ASYNC110 - that is no event
                await asyncio.sleep(0.01)
        yield made
        task.cancel()


async def say(here: Place, name: str) -> str:
    """An alert, by its name; gives its id."""
    ask = SayAlert(id=named(name), name=name, text=f"about {name}", alert_type=14)
    await here.controller.engine.decide(ask, SYSTEM)
    return str(named(name))


async def test_an_alert_is_raised_acknowledged_and_cleared(tmp_path: Path) -> None:
    async with place(tmp_path) as here, mailbox() as (box, port):
        await say(here, "before anybody asked")
        async with sending(here, port, tmp_path) as traps:
            alert = await say(here, "smoke")
            raised = await box.next()
            await here.admin("archiveAlerts", ids=alert)
            acknowledged = await box.next()
            await here.admin("deleteAlerts", ids=alert)
            cleared = await box.next()
            position = here.controller.cloud.position
        assert (traps.sent, traps.failed, box.came.qsize()) == (3, 0, 0)
    assert (raised.number, raised.community) == (words.RAISED, "hush")
    about = {words.ALERT: alert, words.KIND: "smoke", words.TYPE: "14", words.SUBJECT: "smoke"}
    about |= {words.PLACE: ""}
    assert about.items() <= raised.objects.items()
    assert raised.objects[words.TEXT] == "about smoke"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}\+0000", raised.objects[words.AT])
    assert (acknowledged.number, acknowledged.objects[words.TEXT]) == (
        words.ACKNOWLEDGED,
        "archived",
    )
    assert cleared.number == words.CLEARED and about.items() <= cleared.objects.items()
    assert cleared.objects[words.POSITION] == str(position)


async def test_a_job_that_waits_for_a_person_is_told(tmp_path: Path) -> None:
    async with place(tmp_path) as here, mailbox() as (box, port):
        vm = await deploy(here.ann)
        simulator: Any = here.controller.drivers.get("Simulator")
        simulator.faults.fail("remove_disk", Fault.REFUSED, times=1)
        async with sending(here, port, tmp_path):
            job = (await here.admin("destroyVirtualMachine", id=vm["id"], expunge="true"))["jobid"]
            parked = await box.next()
            await here.admin("mendAsyncJob", jobid=job, way="retry")
            mended = await box.next()
    assert (parked.number, mended.number) == (words.PARKED, words.MENDED)
    assert parked.objects[words.JOB] == mended.objects[words.JOB] == job
    assert parked.objects[words.SAGA].startswith("vm.expunge")
    assert parked.objects[words.STEP] and parked.objects[words.TEXT]
    assert mended.objects[words.TEXT] == "retry"


async def test_who_takes_over_sends_what_was_not_sent_and_nothing_twice(tmp_path: Path) -> None:
    async with place(tmp_path) as here, mailbox() as (box, port):
        async with sending(here, port, tmp_path):
            await say(here, "one")
            assert (await box.next()).objects[words.SUBJECT] == "one"
        await say(here, "two")
        async with sending(here, port, tmp_path):
            await say(here, "three")
            assert (await box.next()).objects[words.SUBJECT] == "two"
            assert (await box.next()).objects[words.SUBJECT] == "three"
        assert box.came.qsize() == 0


async def test_it_goes_on_when_the_store_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "RETRY_S", 0.01)
    async with place(tmp_path) as here, mailbox() as (box, port):
        async with sending(here, port, tmp_path) as traps:
            whole, tries = traps._cursor.move, 0

            async def failing(position: int) -> None:
                nonlocal tries
                tries += 1
                if tries == 1:
                    raise LogUnavailable("the database is away: start it")
                await whole(position)

            monkeypatch.setattr(traps._cursor, "move", failing)
            await say(here, "one")
            await say(here, "two")
            assert (await box.next()).objects[words.SUBJECT] == "one"
            assert (await box.next()).objects[words.SUBJECT] == "two"
        assert box.came.qsize() == 0, "what was sent is not sent again"


async def test_one_that_cannot_be_reached_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with place(tmp_path) as here, mailbox() as (box, port):
        async with sending(here, port, tmp_path) as traps:
            traps._to = [Receiver("no.such.receiver.invalid"), *traps._to]
            await say(here, "smoke")
            assert (await box.next()).objects[words.SUBJECT] == "smoke"
        assert (traps.sent, traps.failed) == (1, 1)


async def test_net_snmp_reads_a_trap_by_our_mib(tmp_path: Path) -> None:
    async with trap_daemon(tmp_path, "hush") as daemon:
        async with place(tmp_path / "home") as here:
            async with sending(here, daemon.port, tmp_path):
                await say(here, "smoke")
                line = await daemon.next()
    assert "SAGASTACK-MIB::sagastackAlertRaised" in line
    assert "SAGASTACK-MIB::sagastackAlertKind.0 = STRING: smoke" in line
    assert "SAGASTACK-MIB::sagastackAlertType.0 = INTEGER: 14" in line
    assert "SAGASTACK-MIB::sagastackText.0 = STRING: about smoke" in line


async def test_the_mib_has_the_numbers_that_are_sent(tmp_path: Path) -> None:
    for name, number in {
        "sagastackAlertRaised": f"0.{words.RAISED}",
        "sagastackAlertCleared": f"0.{words.CLEARED}",
        "sagastackAlertAcknowledged": f"0.{words.ACKNOWLEDGED}",
        "sagastackJobParked": f"0.{words.PARKED}",
        "sagastackJobMended": f"0.{words.MENDED}",
        "sagastackAlertId": f"1.{words.ALERT}",
        "sagastackAlertKind": f"1.{words.KIND}",
        "sagastackAlertType": f"1.{words.TYPE}",
        "sagastackAlertSubject": f"1.{words.SUBJECT}",
        "sagastackAlertPlace": f"1.{words.PLACE}",
        "sagastackText": f"1.{words.TEXT}",
        "sagastackTime": f"1.{words.AT}",
        "sagastackPosition": f"1.{words.POSITION}",
        "sagastackJobId": f"1.{words.JOB}",
        "sagastackJobSaga": f"1.{words.SAGA}",
        "sagastackJobStep": f"1.{words.STEP}",
    }.items():
        assert await translated(tmp_path / "mibs", name) == f"{EXAMPLE_OID}.{number}", name


def test_the_mib_says_that_its_number_is_an_example() -> None:
    text = (DEPLOY / "SAGASTACK-MIB.txt").read_text()
    assert "RFC 5612" in text and "{ enterprises 32473 1 }" in text


def test_long_words_are_cut_between_characters() -> None:
    trap = Trap(words.RAISED, ((words.TEXT, "ü" * 1000),))
    read = decoded(encode(trap, community="x", request_id=1, uptime_cs=1, oid=EXAMPLE_OID))
    assert read.objects[words.TEXT] == "ü" * (TEXT_BYTES // 2)


def test_receivers_are_read_and_their_communities_not_told() -> None:
    found = receivers("monitor, hush@10.0.0.5:1162,[::1]:163, a@b@host")
    assert found == [
        Receiver("monitor", 162, "public"),
        Receiver("10.0.0.5", 1162, "hush"),
        Receiver("::1", 163, "public"),
        Receiver("host", 162, "a@b"),
    ]
    assert [str(one) for one in found[1:3]] == ["10.0.0.5:1162", "[::1]:163"]


@pytest.mark.parametrize("text", ["host:x", "host:0", ":162", "host:70000", "x@"])
def test_what_is_no_receiver_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="SAGASTACK_SNMP"):
        receivers(text)


def test_what_is_no_object_identifier_is_refused() -> None:
    assert checked_oid(".1.3.6.1.4.1.99") == "1.3.6.1.4.1.99"
    for text in ("", "1", "1.3.x", "enterprises.9"):
        with pytest.raises(BadSetting, match="SAGASTACK_SNMP_OID"):
            checked_oid(text)


async def test_controllers_share_how_far_traps_have_come(postgres: Any) -> None:  # noqa: F811
    database = Database(postgres())
    try:
        one, two = (TableCursor(database, "traps") for _ in range(2))
        assert await one.load() is None
        await one.move(7)
        assert await two.load() == 7
        await two.move(9)
        await one.move(8)
        assert await one.load() == 9, "one that was paused does not take it back"
    finally:
        await database.close()
