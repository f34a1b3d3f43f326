"""Each judge can find that something does not hold: what it is given here is wrong in one thing."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from tests.chaos import judges
from tests.chaos.client import Refused, Unseen
from tests.chaos.consumer import Consumer
from tests.chaos.judges import Bench, Finding
from tests.chaos.linear import Op, Outcome
from tests.chaos.load import GONE, RUNNING, Guest, Ledger
from tests.chaos.models import Addresses
from tests.chaos.nemesis import Act, Nemesis
from tests.chaos.pictures import differences

POOL = Addresses(frozenset({"a", "b"}), (("x", 2),))


class Server:
    """Answers what it is told to answer."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.unseen: list[Unseen] = []
        self.lost: Counter[str] = Counter()

    def any_server(self) -> int:
        return 0

    async def ask(self, server: int, command: str, **params: Any) -> Any:
        answer = self.answers[command]
        if isinstance(answer, Exception):
            raise answer
        return answer


def nemesis(*acts: Act) -> Any:
    made: Any = Nemesis.__new__(Nemesis)
    made.acts = list(acts)
    return made


def ledger(**fields: Any) -> Ledger:
    return Ledger(**fields)


DONE = {"jobstatus": 1}
ONE_GUEST = {"virtualmachine": [{"name": "web", "state": "Running"}]}


@pytest.mark.parametrize(
    ("may_be", "shown", "job", "says"),
    [
        ({RUNNING}, ONE_GUEST, DONE, ""),
        ({RUNNING, GONE}, {}, DONE, ""),
        ({RUNNING}, {}, DONE, "web is gone"),
        ({GONE}, ONE_GUEST, DONE, "web is Running"),
        ({RUNNING}, ONE_GUEST, {"jobstatus": 2}, "succeeded and is now 2"),
        ({RUNNING}, ONE_GUEST, Refused(431, "no such job"), "was acknowledged and is gone"),
    ],
)
async def test_what_was_acknowledged(may_be: set[str], shown: Any, job: Any, says: str) -> None:
    told = ledger(guests=[Guest("web", "t", may_be=frozenset(may_be))], jobs={"7": "ok"})
    server: Any = Server(queryAsyncJobResult=job, listVirtualMachines=shown)
    found = await judges.acknowledged(told, server)
    assert (says in "".join(found.wrong)) if says else not found.wrong, found


async def test_a_guest_that_nobody_asked_for() -> None:
    server: Any = Server(queryAsyncJobResult=DONE, listVirtualMachines=ONE_GUEST)
    found = await judges.acknowledged(ledger(), server)
    assert found.wrong == ("guest web is there, and nobody asked for it",)


@pytest.mark.parametrize(
    ("held", "holds"),
    [(["a"], True), ([], False), (["b"], False), (["a", "b"], False)],
)
async def test_addresses_in_the_end(held: list[str], holds: bool) -> None:
    """What is left must be what was told: none lost, none leaked, none another."""
    told = ledger(addresses=[Op("take", ("x",), 0, 1, Outcome.OK, "a")])
    rows = [{"ipaddress": one, "account": "x"} for one in held]
    server: Any = Server(listPublicIpAddresses={"publicipaddress": rows})
    found = await judges.addresses(told, POOL, server, {"x": ""})
    assert (not found.wrong) is holds, found


@pytest.mark.parametrize(
    ("job", "held", "holds"),
    [
        (Refused(431, "no such job"), [], True),
        (Refused(431, "no such job"), ["a"], False),
        ({"jobstatus": 1, "jobresult": {"ipaddress": {"ipaddress": "a"}}}, ["a"], True),
        ({"jobstatus": 1, "jobresult": {"ipaddress": {"ipaddress": "a"}}}, [], False),
        ({"jobstatus": 2, "jobresult": {}}, [], True),
    ],
)
async def test_what_became_of_a_call_that_was_lost(job: Any, held: list[str], holds: bool) -> None:
    told = ledger(addresses=[Op("take", ("x",), 0, key="k")])
    rows = [{"ipaddress": one, "account": "x"} for one in held]
    answers = {"listPublicIpAddresses": {"publicipaddress": rows}, "queryAsyncJobResult": job}
    server: Any = Server(**answers)
    found = await judges.addresses(told, POOL, server, {"x": str(uuid4())})
    assert (not found.wrong) is holds, found


@pytest.mark.parametrize(("networks", "most", "says"), [(1, 2, ""), (2, 2, "2 default networks")])
async def test_limits(networks: int, most: int, says: str) -> None:
    ops = [Op("add", (), n, n + 0.5, Outcome.OK) for n in range(2)]
    server: Any = Server(listNetworks={"network": [{"account": "t"}] * networks})
    found = await judges.limits(ledger(counts={"t": ops}), server, {"t": most})
    assert (says in "".join(found.wrong)) if says else not found.wrong, found
    over = await judges.limits(ledger(counts={"t": ops}), server, {"t": 1})
    assert "who may have 1" in over.wrong[0]


async def test_a_stale_name_is_excused_only_where_the_log_was_out_of_reach() -> None:
    write, read = Op("write", (1,), 0, 1, Outcome.OK), Op("read", (), 20, 21, Outcome.OK, 0)
    told = ledger(names={"g": [write, read]}, read_at={id(write): 1, id(read): 2})
    first = {"g": "0"}
    cut = {server: Act("cut", 19, 22, server, cuts_store=True) for server in (1, 2)}
    for acts, holds in (((), False), ((cut[1],), False), ((cut[2],), True)):
        found = await judges.names(told, nemesis(*acts), first)
        assert (not found.wrong) is holds, (acts, found)


async def test_a_job_that_another_server_does_not_know() -> None:
    server: Any = Server()
    server.unseen = [Unseen(2, 20, 21, "7", "no such job")]
    assert (await judges.reads_follow_writes([server], nemesis())).wrong
    cut = Act("cut", 19, 22, cuts_store=True)
    assert not (await judges.reads_follow_writes([server], nemesis(cut))).wrong


async def test_servers_that_show_different_rows() -> None:
    ours = {"listZones": [{"id": 1, "name": "z", "state": "Enabled"}]}
    for theirs in ([], [{"id": 1, "name": "z", "state": "Disabled"}], ours["listZones"] * 2):
        assert differences(ours, {"listZones": theirs})
        assert (await judges.servers_agree({"one": ours, "two": {"listZones": theirs}})).wrong
    assert not (await judges.servers_agree({"one": ours, "two": ours})).wrong


@pytest.mark.parametrize(
    ("seen", "versions", "owed", "says"),
    [
        (["s/1", "s/2"], [1, 2], 2, ""),
        (["s/1"], [1], 2, "never seen"),
        (["s/1"], [1], 1, ""),
        (["s/1", "s/2"], [1, 2], 1, ""),
        (["s/1", "s/2", "s/2"], [1, 2, 2], 2, "seen 2 times"),
        (["s/1", "s/2", "s/3"], [1, 2, 3], 2, "not in the log"),
        (["s/1", "s/2"], [2, 1], 2, "came as [2, 1]"),
    ],
)
async def test_an_outside_consumer(
    seen: list[str], versions: list[int], owed: int, says: str
) -> None:
    class Log:
        async def read_stored(self, after: int, *, limit: int) -> list[Any]:
            rows = [SimpleNamespace(stream="s", version=n, position=n) for n in (1, 2)]
            return rows[after:]

    consumer = Consumer("nowhere", seen=Counter(seen), owed=owed)
    consumer.versions["s"] = versions
    left: Any = SimpleNamespace(log=Log())
    found = await judges.followed(left, consumer)
    assert (says in "".join(found.wrong)) if says else not found.wrong, found


async def test_a_judge_that_cannot_end_has_found_nothing_to_hold() -> None:
    async def breaks() -> Finding:
        raise KeyError("virtualmachine")

    bench = Bench()
    assert not bench.all_hold, "no judge was heard"
    await bench.hear("breaks", breaks)
    assert not bench.all_hold
