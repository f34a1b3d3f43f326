"""The one place where everything is wired: log, folds, engine, drivers, API, and helpers.

`controller(settings)` is a whole controller for as long as its block lasts. Its order is its
safety: the log is locked first, the past is folded, interrupted sagas are taken up, and only then
does the door open.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from aiohttp import web

from aggregates.ids import uuid4
from api.app import make_app, make_integration_app, start
from api.declare import load as load_api
from api.declare import read_all
from api.dispatch import Gateway
from api.memo import Memo
from api.transfers import Transfers
from api.web_console import WebConsole
from engine.allocator import Allocator
from engine.checkpoints import Checkpointer
from engine.chores.chore import Chores
from engine.clock import SystemClock
from engine.collector import at_rest, settle
from engine.cooling import keep_cool
from engine.decisions.hypervisor_capabilities import KnowKinds, unknown_kinds
from engine.drivers import Drivers
from engine.engine import Engine
from engine.feed import Feed
from engine.genesis import ADMIN_USER, Credentials, begin, first_credentials
from engine.history import History
from engine.hosts import HostRegistry
from engine.huge_pages import keep_on_huge_pages
from engine.intents import By
from engine.log import Log
from engine.malloc import share_one_arena
from engine.nouns import load
from engine.reconcilers.doubts import Doubts
from engine.reconcilers.sweep import Sweeper
from engine.routing.keeper import RouterKeeper
from engine.tasks import Tasks
from engine.vault import Vault
from engine.webhooks import deliver_webhooks
from engine.world import World
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.space import Space
from sagastack.chosen_drivers import driver_settings, make_chosen
from sagastack.console_door import ConsoleDoor
from sagastack.face import Face
from sagastack.membership import Member, enter, take_part, watched
from sagastack.milestones import Milestones
from sagastack.own_home import take
from sagastack.sealed import open_vault
from sagastack.settings import ENDPOINT_FILE, BadSetting, Settings
from sagastack.shared import seal, signing_in
from sagastack.watching import Watching

log_ = logging.getLogger("sagastack")

# Between two commands that are read beside the work: a tenth of one processor, for a few seconds.
READING_PAUSE_S = 0.01
# The web console's files lie beside our packages, in a clone as in the image.
UI = Path(__file__).parents[1] / "ui"


@dataclass(frozen=True, slots=True)
class Controller:
    """A running controller. `resumed` is how many sagas an earlier life left to be finished."""

    settings: Settings
    port: int
    log: Log
    engine: Engine
    vault: Vault
    hosts: HostRegistry
    drivers: Drivers
    feed: Feed
    gateway: Gateway
    member: Member
    resumed: int

    @property
    def cloud(self) -> Cloud:
        return self.engine.cloud

    @property
    def endpoint(self) -> str:
        return f"http://{self.settings.reached_at}:{self.port}/client/api"

    @property
    def console(self) -> str:
        """What people open in a browser."""
        return self.endpoint.removesuffix("api")

    async def credentials(self) -> Credentials | None:
        return await first_credentials(self.cloud, self.vault)


def load_nouns() -> None:
    """Import every folder of nouns, so that all they declare is registered."""
    load("aggregates", "projections", "engine.decisions", "engine.sagas", "engine.chores")
    load_api()


@asynccontextmanager
async def controller(settings: Settings) -> AsyncIterator[Controller]:
    """A controller on its data folder, serving until the block ends."""
    milestones = Milestones()
    milestones.reached("modules")
    share_one_arena()
    clock = SystemClock()
    take(settings.home)
    async with AsyncExitStack() as stack:
        starting = stack.enter_context(ExitStack())
        starting.enter_context(at_rest())
        load_nouns()
        milestones.reached("nouns")
        watching = await Watching.enter(settings, stack, clock)
        member = await enter(settings, stack, clock)
        log = await Log.open(settings.store_url, now_ms=clock.now_ms)
        stack.push_async_callback(log.close)
        vault = await open_vault(settings, log)
        stack.push_async_callback(vault.close)
        milestones.reached("log and vault")
        history = History(log, settings.home / "checkpoints")
        cloud = await history.opening()
        milestones.reached("other past", history.took)
        drivers = Drivers.load(driver_settings(settings))
        stack.push_async_callback(drivers.close)
        make_chosen(drivers, settings)
        hosts = HostRegistry(cloud, drivers, vault)
        stack.push_async_callback(hosts.close)
        tasks = await stack.enter_async_context(Tasks())
        tasks.keep(partial(vault.follow, clock), name="vault", clock=clock)
        world = World(
            cloud=cloud,
            allocator=Allocator(cloud.view(Capacity), cloud.view(Space), cloud.view(Addresses)),
            hosts=hosts,
            vault=vault,
            clock=clock,
            home=settings.home,
            children=None,  # type: ignore[arg-type]
        )
        cloud.view(Addresses).lane = member.lane
        engine = Engine(log, world, clock, tasks, history, member.owner)
        world.children = engine
        feed = Feed(log, cloud.position)
        duties = member.duties
        await seal(settings, stack, tasks, log, vault, clock, duties)
        await duties.while_held("genesis", partial(_begin, log, engine, vault, hosts))
        watching.begin(log, engine, world, tasks)
        take_part(member, settings, tasks, engine, log, clock)
        watched(member, watching)
        resumed = engine.runner.resume()
        _save(settings, tasks, log, clock, history.behind)
        _beside(settings, tasks, log, engine, hosts, clock, member)
        watching.send_traps(tasks, duties, log, feed)
        deliver_webhooks(tasks, duties, engine, vault, feed, clock)
        face = Face(engine, vault, world)
        face.is_certain = member.is_certain
        gateway = await _gateway(settings, stack, face, clock, member)
        port = await _serve(settings, stack, face, gateway, feed, watching, clock)
        settle(sweep=False)
        starting.close()
        pause = partial(clock.sleep, READING_PAUSE_S)
        tasks.spawn(read_all(pause), name="declarations")
        tasks.spawn(keep_cool(cloud, clock), name="cold rows")
        tasks.spawn(keep_on_huge_pages(clock), name="huge pages")
        milestones.reached("door")
        log_.info("serving on port %d, %d sagas resumed, %s", port, resumed, milestones)
        made = Controller(
            settings, port, log, engine, vault, hosts, drivers, feed, gateway, member, resumed
        )
        _tell_where(made)
        yield made


def _tell_where(made: Controller) -> None:
    """For tools beside it, in a file. A disk that is full keeps nobody from being served."""
    try:
        (made.settings.home / ENDPOINT_FILE).write_text(made.endpoint + "\n")
    except OSError as wrong:
        log_.error("tools beside this controller do not find it (--endpoint): %s", wrong)


def _save(settings: Settings, tasks: Tasks, log: Log, clock: SystemClock, behind: int) -> None:
    """Checkpoints, the first one soon where there were many events `behind` the last."""
    home, every = str(settings.home), settings.checkpoint_events
    saver = Checkpointer(home, settings.store, every=every, clock=clock, behind=behind)
    log.listen(saver.heard)
    tasks.keep(saver.run, name="checkpoints", clock=clock)


def _beside(
    settings: Settings,
    tasks: Tasks,
    log: Log,
    engine: Engine,
    hosts: HostRegistry,
    clock: SystemClock,
    member: Member,
) -> None:
    """What runs for as long as the controller does: reconciliation and chores."""
    Doubts(log, engine, hosts, tasks, clock, member.owner)
    sweeper = Sweeper(engine, hosts, clock, every_s=settings.reconcile_s)
    keeper = RouterKeeper(log, engine, hosts, clock)
    for name, work in (
        ("reconcilers", sweeper.run),
        ("chores", Chores(engine, clock).run),
        ("routers", keeper.run),
    ):
        duty = partial(member.duties.while_held, name, partial(_duty, work))
        tasks.keep(duty, name=name, clock=clock)


async def _duty(work: Callable[[], Awaitable[None]], token: int) -> None:
    await work()


async def _begin(log: Log, engine: Engine, vault: Vault, hosts: HostRegistry, token: int) -> None:
    """Of several controllers that start together, one begins the cloud.

    Seals were looked at before: a log that they do not fit must not begin anew.
    """
    await log.look()
    await begin(engine, vault)
    if unknown_kinds(engine.cloud, hosts):
        await engine.decide(KnowKinds(), By(action="SYSTEM.KINDS"))


async def _gateway(
    settings: Settings, stack: AsyncExitStack, face: Face, clock: SystemClock, member: Member
) -> Gateway:
    """What answers requests, whichever way they come in."""
    sessions, attempts = await signing_in(settings, stack)
    return Gateway(
        engine=face,
        sessions=sessions,
        attempts=attempts,
        now_ms=clock.now_ms,
        random_id=uuid4,
        trusted_user=_admin,
        memo=Memo(face.cloud),
        on_read=face.on_read,
        caught_up=member.caught_up,
    )


async def _serve(
    settings: Settings,
    stack: AsyncExitStack,
    face: Face,
    gateway: Gateway,
    feed: Feed,
    watching: Watching,
    clock: SystemClock,
) -> int:
    """Open the public port, and the one for tooling if it was asked for."""
    app = make_app(gateway, feed=feed.batches, metrics=watching.metrics, version="0")
    watching.add_to(app, face, gateway)
    Transfers(face, settings.home, clock.now_ms).add_to(app)
    ConsoleDoor(face, clock.now_ms).add_to(app)
    WebConsole(UI).add_to(app)
    port = await _open(stack, app, settings.host, settings.port)
    face.store_url, face.started_at_ms = settings.store_url, clock.now_ms()
    face.listens_at = f"http://{settings.reached_at}:{port}"
    if settings.integration_port:
        await _open(stack, make_integration_app(gateway), "127.0.0.1", settings.integration_port)
    return port


async def _open(stack: AsyncExitStack, app: web.Application, host: str, port: int) -> int:
    try:
        runner, found = await start(app, host, port)
    except OSError as wrong:
        raise BadSetting(
            f"{host}:{port} cannot be listened on ({wrong.strerror}): choose another --host or "
            "--port, or end what listens there"
        ) from wrong
    stack.push_async_callback(runner.cleanup)
    return found


def _admin() -> UUID:
    return ADMIN_USER
