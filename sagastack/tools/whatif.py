"""Fork the cloud at a moment into a simulated one, and try commands on it.

The fork is a log of its own with the same rows up to that moment, in a folder that is marked as a
rehearsal: whoever serves it, only the simulator stands behind its hosts. It is as if a controller
had been stopped then and were started now: time goes on from now, because signatures, sessions
and the log's own order do, so what fell due in between (leases, snapshots by schedule, guests to
be expunged) happens first and is told as the system's doing.

No secret is copied. The first admin gets a new secret key and password; nobody else can sign in,
passwords of guests cannot be read, and certificates have no keys. Hosts need none any more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aggregates.errors import NotFound
from engine.clock import SystemClock
from engine.log import Log, Stored, codec
from engine.log.store import Store
from engine.log.stores import open_store
from engine.vault import Vault
from projections.api_key import api_keys
from projections.cloud import Cloud
from projections.host import hosts
from projections.user import users
from sagastack.client import Client, Refusal
from sagastack.commands import Commands, until_stopped
from sagastack.rehearsal import furnish
from sagastack.settings import BadSetting, Settings
from sagastack.tools import diff
from sagastack.tools.moments import Moment, iso
from sagastack.tools.opened import opened

if TYPE_CHECKING:
    from sagastack.boot import Controller

PASSWORD_BYTES, KEY_BYTES = 12, 64
EARLIER = re.compile(r"\{(\d+)\.([\w.]+)\}")


@dataclass(frozen=True, slots=True)
class Fork:
    """A folder with the cloud as it was after `position`, ready to be served."""

    settings: Settings
    position: int
    at_ms: int
    password: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to: its answer, or why it was refused."""

    line: str
    answer: dict[str, Any]
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"NO  {self.line}\n      {self.error}"
        return f"ok  {self.line}\n      {_brief(self.answer)}"


def add(commands: Commands) -> None:
    one = commands.command(
        "whatif",
        _run,
        "fork the cloud at a moment into a simulated one, and try commands on it",
        example="""sagastack whatif
            sagastack whatif --at -2h --into /tmp/fork --port 8090
            echo 'deployVirtualMachine zoneid=... name=x' | sagastack whatif --at @1200 --run -
            sagastack whatif --run plan.txt --json""",
    )
    moment = "a time, @position, or -2h (now)"
    one.add_argument("--at", type=Moment.parse, default=Moment("now"), metavar="T", help=moment)
    one.add_argument("--into", type=Path, metavar="DIR", help="keep the fork in this new folder")
    one.add_argument("--port", type=int, default=0, help="port to listen on (any free one)")
    one.add_argument(
        "--run",
        metavar="FILE",
        help="commands, one a line, - for standard input; {1.virtualmachine.id} is of the first's "
        "answer. They are run one after another, then the difference is told and the fork ends",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    lines = _lines(args.run) if args.run else []
    with _folder(args.into) as folder:
        async with forked(settings, args.at, folder, port=args.port) as (fork, cloud):
            if args.run:
                return await _try(fork, cloud, lines, as_json=args.json)
            return await _serve(fork, cloud, as_json=args.json)


def _lines(source: str) -> list[str]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    except OSError as wrong:
        raise BadSetting(f"--run {source}: {wrong.strerror}; give a file, or - ") from wrong
    except UnicodeDecodeError as wrong:
        raise BadSetting(
            f"--run {source} is no text ({wrong}); give commands, one a line"
        ) from wrong
    found = [line.strip() for line in text.splitlines()]
    return [line for line in found if line and not line.startswith("#")]


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    """A folder that is gone at the end, or the one that was asked for, which must be new."""
    if chosen is None:
        with tempfile.TemporaryDirectory(prefix="sagastack-whatif-") as made:
            yield Path(made)
        return
    if chosen.exists() and any(chosen.iterdir()):
        raise BadSetting(f"--into {chosen}: there is something in it; give a new folder")
    chosen.mkdir(parents=True, exist_ok=True)
    yield chosen.resolve()


@asynccontextmanager
async def forked(
    settings: Settings, at: Moment, folder: Path, *, port: int = 0
) -> AsyncIterator[tuple[Fork, Controller]]:
    """A controller on a fork of the log that the settings name."""
    async with opened(settings) as (log, past):
        position = await _whole(log, await at.resolve(log, SystemClock().now_ms()))
        cloud = await past.until(position)
        if not cloud.position:
            raise NotFound(f"there was no cloud yet at {at.text}: give a later moment")
        ours = Settings(home=folder, port=port)
        await _copy(log, cloud.position, ours.store_url)
    await asyncio.to_thread(furnish, cloud, folder)
    password = await _give_keys(cloud, ours)
    fork = Fork(ours, cloud.position, cloud.at_ms, password)
    del cloud
    from sagastack.boot import controller

    async with controller(ours) as served:
        yield fork, served


async def _whole(log: Log, position: int) -> int:
    """The end of what was committed together with the row at a position: it has one time.

    Half a commit would be a cloud that never was, with a job that cannot go on.
    """
    row = await log.read_stored(position - 1, until=position, limit=1)
    return await log.position_at(codec.at_ms(row[0])) if row else position


async def _copy(log: Log, until: int, url: str) -> None:
    """The rows as they are, a page at a time."""
    store, after = await asyncio.to_thread(open_store, url), 0
    try:
        while page := await log.read_stored(after, until=until):
            await asyncio.to_thread(_insert, store, page)
            after = page[-1].position
    finally:
        store.close()


def _insert(store: Store, page: list[Stored]) -> None:
    with store.turn() as turn:
        turn.insert(page, [])


async def _give_keys(cloud: Cloud, settings: Settings) -> str:
    """New secrets under the references that the log has; gives the first admin's password."""
    from engine.genesis import ADMIN_KEY, ADMIN_USER, FIRST_PASSWORD

    user, key = cloud[users].get(ADMIN_USER), cloud[api_keys].get(ADMIN_KEY)
    if user is None or key is None:
        raise NotFound("the first admin, or its key, was gone by then: there is no way in")
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    vault = await Vault.open(settings.vault_file)
    try:
        await vault.put(secrets.token_urlsafe(KEY_BYTES), key=UUID(key.secret_ref))
        await vault.put(password, key=FIRST_PASSWORD)
        await vault.hash_password(password, key=UUID(user.password_ref))
        for host in cloud[hosts]:
            if host.password_ref:
                await vault.put("", key=UUID(host.password_ref))
    finally:
        await vault.close()
    return password


async def _serve(fork: Fork, cloud: Controller, *, as_json: bool) -> int:
    """Say how to get in, and serve until interrupted."""
    stopped = until_stopped()
    told = await _told(fork, cloud)
    if as_json:
        print(json.dumps(told), flush=True)
    else:
        print("\n".join(f"{name:<10} {value}" for name, value in told.items()))
        print("only the simulator is behind it; Ctrl-C ends it", flush=True)
    await stopped.wait()
    return 0


async def _told(fork: Fork, cloud: Controller) -> dict[str, Any]:
    found = await cloud.credentials()
    assert found is not None, "the keys were given to them"
    return {
        "position": fork.position,
        "at": iso(fork.at_ms),
        "home": str(fork.settings.home),
        "endpoint": cloud.endpoint,
        "apikey": found.api_key,
        "secretkey": found.secret_key,
        "username": found.username,
        "password": fork.password,
    }


async def _try(fork: Fork, cloud: Controller, lines: list[str], *, as_json: bool) -> int:
    """Run the commands, tell what came of each, then what is different now."""
    from aiohttp import ClientSession

    outcomes: list[Outcome] = []
    if not as_json:
        print(f"the cloud of {iso(fork.at_ms)} (@{fork.position}), simulated:", flush=True)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession())
        found = await _told(fork, cloud)
        client = Client(
            session, found["endpoint"], found["apikey"], found["secretkey"], SystemClock()
        )
        for line in lines:
            outcomes.append(await attempt(client, line, outcomes))
            if not as_json:
                print(outcomes[-1], flush=True)
        since = Moment(f"@{fork.position}", position=fork.position)
        found_diff = diff.difference(fork.settings, since, Moment("now"), diff.Filter())
        told = await stack.enter_async_context(found_diff)
        if as_json:
            head = [
                {"command": one.line, "answer": one.answer, "error": one.error} for one in outcomes
            ]
            sys.stdout.write(f'{{"outcomes": {json.dumps(head)}, "diff": ')
            await diff.tell(told, as_json=True, everything=True)
            sys.stdout.write("}\n")
        else:
            print()
            await diff.tell(told, as_json=False, everything=False)
    return 1 if any(one.error for one in outcomes) else 0


async def attempt(client: Client, line: str, before: list[Outcome]) -> Outcome:
    """One command to its end, jobs waited for."""
    from aiohttp import ClientError

    try:
        command, *words = shlex.split(EARLIER.sub(lambda found: _earlier(found, before), line))
        params = dict(map(_parameter, words))
        answer = await client.call(command, **params)
        if "jobid" in answer and command != "queryAsyncJobResult":
            answer = await client.wait(command, answer["jobid"])
        return Outcome(line, answer)
    except Refusal as no:
        return Outcome(line, {}, str(no))
    except (ClientError, TimeoutError) as lost:
        return Outcome(line, {}, f"the fork gave no answer ({lost!r}): see what it logged")
    except ValueError as wrong:
        return Outcome(line, {}, f"not understood ({wrong}): write command name=value ...")


def _parameter(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} has no value")
    return name, value


def _earlier(found: re.Match[str], before: list[Outcome]) -> str:
    """A value of an earlier answer, by the number of its command and the path to it."""
    number, path = int(found[1]), found[2]
    if not 1 <= number <= len(before):
        raise ValueError(f"{found[0]}: there is no answer {number} before this command")
    value: Any = before[number - 1].answer
    for name in path.split("."):
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"{found[0]}: answer {number} has no {name}") from None
    return str(value)


def _brief(answer: dict[str, Any]) -> str:
    """What an answer is about, in a few words."""
    for name, value in answer.items():
        if isinstance(value, dict) and "id" in value:
            words = (value.get("name"), value.get("state"))
            return " ".join([name, str(value["id"]), *(str(one) for one in words if one)])
        if isinstance(value, list):
            return f"{answer.get('count', len(value))} {name}"
    return json.dumps(answer)[:200]
