"""Tenants of a cluster, each with a few clients that never ask for two things at once.

A client remembers what it was told, and so what must be there in the end. Guests belong to the
client that asked for them; nobody else touches them. Addresses come from a small pool that two
accounts share, each with a limit; names of groups are written and read by anybody of the account.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

from tests.chaos.client import Client, Lost, Patience, Refused, Told
from tests.chaos.linear import Op, Outcome
from tests.chaos.models import EXHAUSTED, LIMIT

RUNNING, STOPPED, GONE = "Running", "Stopped", "gone"
LIMIT_CODE, EXHAUSTED_CODE = 532, 533
GUESTS_EACH = 3
WALKS_AWAY = 0.15


@dataclass(slots=True)
class Guest:
    """What may have become of a guest by all that its client was told."""

    name: str
    account: str
    id: str = ""
    may_be: frozenset[str] = frozenset({GONE})

    @property
    def is_known(self) -> bool:
        return len(self.may_be) == 1


@dataclass
class Ledger:
    """All that was asked and told."""

    guests: list[Guest] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    addresses: list[Op] = field(default_factory=list)
    counts: dict[str, list[Op]] = field(default_factory=dict)
    names: dict[str, list[Op]] = field(default_factory=dict)
    read_at: dict[int, int] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, told: Told) -> None:
        if told.answer is not None:
            self.said[f"{what} ok"] += 1
        elif told.refusal is None:
            self.said[f"{what} unknown"] += 1
        else:
            self.said[f"{what} refused"] += 1
            self.refusals[f"{what}: {told.refusal}"[:160]] += 1


@dataclass
class Load:
    """Asks until `until_s`, and goes on waiting for what it asked for until `settled_s`."""

    seed: int
    until_s: float
    settled_s: float
    ledger: Ledger = field(default_factory=Ledger)

    def rng(self, who: str) -> random.Random:
        return random.Random(f"{self.seed}/{who}")

    def patience(self, rng: random.Random) -> Patience:
        return Patience(self.settled_s, WALKS_AWAY)

    async def repeat(self, rng: random.Random, once: Callable[[], Awaitable[None]]) -> None:
        while monotonic() < self.until_s:
            await once()
            await asyncio.sleep(rng.random() * 0.3)

    # ---- guests --------------------------------------------------------------------------

    async def keep_guests(
        self, who: str, account: str, client: Client, admin: Client, shape: Any
    ) -> None:
        """Deploy, stop, start, migrate and expunge, a few guests at a time."""
        rng, mine, made = self.rng(who), list[Guest](), 0

        async def once() -> None:
            nonlocal made
            mine[:] = [one for one in mine if one.is_known and GONE not in one.may_be]
            if len(mine) < GUESTS_EACH and (not mine or rng.random() < 0.5):
                made += 1
                guest = Guest(f"{who}-{made}", account)
                self.ledger.guests.append(guest)
                await self._deploy(client, rng, guest, shape)
                mine.append(guest)
                return
            guest = rng.choice(mine)
            if guest.may_be == {STOPPED}:
                change = rng.choice(("start", "start", "expunge"))
            else:
                change = rng.choice(("stop", "migrate", "migrate", "expunge"))
            await self._change(admin if change == "migrate" else client, rng, guest, change)

        await self.repeat(rng, once)

    async def _deploy(self, client: Client, rng: random.Random, guest: Guest, shape: Any) -> None:
        told = await client.job(
            self.patience(rng),
            "deployVirtualMachine",
            name=guest.name,
            idempotencykey=f"deploy {guest.name}",
            **shape,
        )
        self.ledger.note("deploy", told)
        self._count("add", guest, told)
        if told.answer is not None:
            guest.id = told.answer["virtualmachine"]["id"]
            guest.may_be = frozenset({RUNNING})
            self._acknowledged(told)
        elif told.refusal is None or told.lost_since_s is not None:
            guest.may_be = frozenset({RUNNING, GONE})

    async def _change(self, client: Client, rng: random.Random, guest: Guest, change: str) -> None:
        command, more, becomes = {
            "stop": ("stopVirtualMachine", {}, STOPPED),
            "start": ("startVirtualMachine", {}, RUNNING),
            "migrate": ("migrateVirtualMachine", {}, RUNNING),
            "expunge": ("destroyVirtualMachine", {"expunge": True}, GONE),
        }[change]
        key = f"{change} {guest.name} {UUID(int=rng.getrandbits(128))}"
        name = "virtualmachineid" if change == "migrate" else "id"
        asked = {name: guest.id, "idempotencykey": key} | more
        told = await client.job(self.patience(rng), command, **asked)
        self.ledger.note(change, told)
        if change == "expunge":
            self._count("drop", guest, told)
        if told.answer is not None:
            guest.may_be = frozenset({becomes})
            self._acknowledged(told)
        elif told.refusal is None or told.lost_since_s is not None:
            guest.may_be |= {becomes}

    def _count(self, what: str, guest: Guest, told: Told) -> None:
        """One guest more or less for its account, or perhaps."""
        ops = self.ledger.counts.setdefault(guest.account, [])
        if told.answer is not None:
            ops.append(Op(what, (), told.began_s, told.ended_s, Outcome.OK, who=guest.name))
        elif told.refusal is None or told.lost_since_s is not None:
            ops.append(Op(what, (), told.began_s, who=guest.name))

    def _acknowledged(self, told: Told) -> None:
        self.ledger.jobs[told.answer["jobid"]] = "ok"

    # ---- addresses -----------------------------------------------------------------------

    async def keep_addresses(self, who: str, account: str, client: Client, network: str) -> None:
        """Take and free, so that the account is at its limit or the pool empty half of the time."""
        rng, mine = self.rng(who), dict[str, str]()

        async def once() -> None:
            key = f"address {who} {UUID(int=rng.getrandbits(128))}"
            if mine and rng.random() < 0.45:
                address = rng.choice(sorted(mine))
                told = await client.job(
                    self.patience(rng),
                    "disassociateIpAddress",
                    id=mine.pop(address),
                    idempotencykey=key,
                )
                self.ledger.note("free", told)
                self._note_op(who, "free", (account, address), told, None, key)
                return
            told = await client.job(
                self.patience(rng), "associateIpAddress", networkid=network, idempotencykey=key
            )
            self.ledger.note("take", told)
            got = None
            if told.answer is not None:
                got = str(told.answer["ipaddress"]["ipaddress"])
                mine[got] = told.answer["ipaddress"]["id"]
            self._note_op(who, "take", (account,), told, got, key)

        await self.repeat(rng, once)

    def _note_op(
        self, who: str, what: str, args: Any, told: Told, got: str | None, key: str
    ) -> None:
        """One operation; and one of unknown outcome for tries that were lost before a refusal."""
        ops = self.ledger.addresses
        if told.answer is not None:
            self._acknowledged(told)
            ops.append(Op(what, args, told.began_s, told.ended_s, Outcome.OK, got, who))
            return
        if told.refusal is None or told.lost_since_s is not None:
            ops.append(Op(what, args, told.began_s, who=who, key=key))
        if told.refusal is not None:
            codes = {LIMIT_CODE: LIMIT, EXHAUSTED_CODE: EXHAUSTED} if what == "take" else {}
            said = codes.get(told.refusal.code)
            how = Outcome.OK if said else Outcome.FAILED
            ops.append(Op(what, args, told.last_began_s, told.ended_s, how, said, who))

    # ---- names ---------------------------------------------------------------------------

    async def keep_names(self, who: str, client: Client, groups: list[str]) -> None:
        """Write names at any server, and read them at any other."""
        rng, written = self.rng(who), 0

        async def once() -> None:
            nonlocal written
            group = rng.choice(groups)
            op = Op("read", (), monotonic(), who=who)
            if rng.random() < 0.4:
                written += 1
                op.what, op.args = "write", (f"{who}-{written}",)
            server = client.any_server()
            self.ledger.names.setdefault(group, []).append(op)
            self.ledger.read_at[id(op)] = server
            await self._name(client, server, group, op)
            self.ledger.said[f"{op.what} {op.outcome}"] += 1

        await self.repeat(rng, once)

    async def _name(self, client: Client, server: int, group: str, op: Op) -> None:
        try:
            if op.what == "write":
                await client.ask(server, "updateInstanceGroup", id=group, name=op.args[0])
            else:
                found = await client.ask(server, "listInstanceGroups", id=group)
                op.result = found["instancegroup"][0]["name"]
        except Lost:
            return
        except Refused as refusal:
            op.outcome = Outcome.FAILED
            self.ledger.refusals[f"{op.what}: {refusal}"[:160]] += 1
        else:
            op.outcome = Outcome.OK
        op.ended_s = monotonic()
