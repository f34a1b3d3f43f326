"""What a command may do: read the cloud, decide, submit work. Nothing else is in its reach.

`Engine` is all that the API knows of the engine; boot fulfils it. `Caller` is what the body of a
command is given: who asks, the cloud to read, and the two ways to change something, each of which
carries who asked, from which command, and the idempotency key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from uuid import UUID, uuid5

from engine.intents import By, Job
from engine.intents.adopt import FoundElsewhere, FoundGuest
from engine.intents.ids import in_order
from engine.intents.placement import ExplainPlacement, Placement
from engine.intents.webhook import SendWebhook, Sent
from projections.cloud import Cloud
from projections.picked import Picked

if TYPE_CHECKING:
    from api.found import Found
    from api.sessions import Door
    from api.signers import Signers

__all__ = [
    "By",
    "Caller",
    "Engine",
    "Identity",
    "Job",
    "JobRow",
    "JobStep",
    "Planned",
    "ServerStatus",
]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, as the cloud knew them when the request was authenticated.

    `projects` are the accounts of the projects that the caller belongs to. `rules` are the rules
    of the role, first match wins; None means the rights of the built-in `role_type`.
    `key_rules` narrow further what one API key may do and never widen it; `key_expires_at_ms` is
    when the key that was signed with ends.
    """

    user_id: UUID
    account_id: UUID
    domain_id: UUID
    role_type: str
    domain_path: str = "/"
    username: str = ""
    account: str = ""
    projects: frozenset[UUID] = frozenset()
    rules: tuple[tuple[str, bool], ...] | None = None
    key_rules: tuple[tuple[str, bool], ...] | None = None
    key_expires_at_ms: int | None = None

    @property
    def is_root(self) -> bool:
        """An administrator of the whole cloud."""
        return self.role_type == "Admin"

    @property
    def is_domain_admin(self) -> bool:
        """An administrator of one domain and all below it."""
        return self.role_type in ("DomainAdmin", "ResourceAdmin")


class JobRow(Protocol):
    """A saga run as the API shows it: a row of the table `saga`.

    `error` is the class name of what refused it, `finished_at_ms` is 0 until it has ended.
    """

    id: UUID
    command: str
    user_id: UUID | None
    account_id: UUID | None
    subject_kind: str
    subject_id: UUID | None
    state: Any
    error: str
    error_text: str
    failed_step: str
    percent: int
    progress: str
    created_at_ms: int
    finished_at_ms: int


@dataclass(frozen=True, slots=True)
class JobStep:
    """One step of a job: what it is called, how it stands, and what became of it last.

    `state` is Waiting, Running, Retrying, Done, Skipped, Undone, Failed or Parked; `no_undo` says
    why a step has no undo, and is empty for one that has.
    """

    name: str
    state: str
    touches_world: bool
    attempts: int = 0
    error: str = ""
    error_text: str = ""
    no_undo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What a controller says of itself and of the machine that it runs on.

    `load` is the mean length of the machine's run queue over 1, 5 and 15 minutes. `version` of a
    database and its size are told where they are known without asking it.
    """

    host_name: str
    started_at_ms: int
    booted_at_ms: int | None
    operating_system: str
    kernel: str
    runtime: str
    processors: int
    load: tuple[float, float, float]
    memory_total_bytes: int
    memory_free_bytes: int
    process_bytes: int
    threads: int
    tasks: int
    database: str
    database_version: str
    database_bytes: int | None
    log_position: int


class Engine(Protocol):
    """Everything the API asks of the engine.

    `decide` and `submit` raise the engine's and the domain's own errors, which `api.errors` maps
    by class name. Both return after the facts are on disk and folded into `cloud`.
    """

    @property
    def cloud(self) -> Cloud:
        """The live cloud."""
        ...

    async def decide(self, intent: object, by: By) -> Any:
        """Make a change that needs nothing of the world; what comes back is the intent's own."""
        ...

    async def submit(self, intent: object, by: By, *, run_id: UUID | None = None) -> Job:
        """Start the saga of an intent; its first facts are true when this returns.

        `run_id` is an id that the caller chose for its job.
        """
        ...

    async def perform(self, intent: object, by: By) -> Job:
        """Submit and wait for the end; raises `JobFailed` with what refused it."""
        ...

    async def plan(self, intent: object, by: By, *, begun: bool = False) -> list[str]:
        """What the intent would do, a sentence each; raises what would refuse it.

        `begun`: of a job, only what would refuse to begin it.
        """
        ...

    async def at(self, at_ms: int) -> Cloud:
        """The cloud as it was at that time."""
        ...

    async def job(self, job_id: UUID) -> JobRow | None:
        """A job however long ago, also when the live cloud has forgotten it."""
        ...

    def steps(self, job: JobRow) -> list[JobStep]:
        """The steps of a job in the order in which they run; empty for a decision."""
        ...

    def status(self) -> ServerStatus:
        """How this controller is."""
        ...

    async def explain(self, ask: ExplainPlacement) -> Placement:
        """Where a guest of this size would be placed now, and what refuses each other host."""
        ...

    def kinds(self) -> list[str]:
        """The kinds of hypervisor that can be driven."""
        ...

    async def discover(
        self, hypervisor: str, url: str, username: str, password: str
    ) -> tuple[str, ...]:
        """The URLs of the hosts that an address stands for: one, or those of a whole cluster."""
        ...

    async def console(self, vm_id: UUID) -> Any:
        """Where a running guest can be looked at; `NotFound` if it does not run."""
        ...

    async def send_webhook(self, ask: SendWebhook) -> Sent:
        """Post one payload now, and tell how it went; nothing of it is kept."""
        ...

    async def strangers(self, cluster_id: UUID) -> list[FoundGuest]:
        """The guests on the hosts of a cluster that no controller made, as they are now."""
        ...

    async def strangers_at(
        self, hypervisor: str, url: str, username: str, password: str
    ) -> list[FoundElsewhere]:
        """The guests on the hosts that an address stands for which no controller made."""
        ...

    async def check_password(self, user_id: UUID | None, password: str) -> bool:
        """Is this the user's password? None for an unknown user: costs the same, says no."""
        ...

    @property
    def base_url(self) -> str:
        """How clients reach this server: what comes before `/client/api`."""
        ...

    async def secret(self, ref: str) -> str:
        """Open a sealed secret by its reference; KeyError when it was shredded."""
        ...

    async def seal(self, secret: str, key: UUID | None = None) -> str:
        """Put a secret into the sealed store; the reference is what an event may carry.

        With `key` that is its reference, and what was kept under it before is replaced.
        """
        ...

    async def shred(self, ref: str) -> bool:
        """Forget a sealed secret. False: it was gone already; to one of several it was there."""
        ...

    async def seal_password(self, password: str) -> str:
        """Hash a password (memory-hard) into the sealed store; returns its reference."""
        ...


class Memo(Protocol):
    """What rows look like, ready to be sent; see `api.memo`."""

    @property
    def found(self) -> Found:
        """What was found of late."""
        ...

    @property
    def signers(self) -> Signers:
        """Whom keys stand for."""
        ...

    def page(self, view: Any, role_type: str, rows: Picked[Any]) -> bytes:
        """The answers for these rows as JSON, and what closes an answer behind them."""
        ...


class Planned(Exception):
    """Ends the body of a command that was only asked what it would do."""

    def __init__(self, plan: list[str]) -> None:
        super().__init__("\n".join(plan))
        self.plan = plan


@dataclass(slots=True)
class Caller:
    """One request's view of the cloud and its way to change it.

    `cloud` is the live cloud, or for a list with `asof` the cloud at that time. `now_ms` is the
    time of the request. Ids that a command needs come from `new_id`: under an idempotency key
    they are the same on every repeat, so a repeated request is the same request. `job_id` is the
    id that the caller chose for its job, if it did. `door` is for the commands of signing in.
    `memo` (for JSON) and `found` are what is kept of the live cloud, for lists of it.
    """

    identity: Identity
    engine: Engine
    cloud: Cloud
    now_ms: int
    by: By
    random_id: Callable[[], UUID]
    dry_run: bool = False
    rehearsal: bool = False
    job_id: UUID | None = None
    door: Door | None = None
    memo: Memo | None = None
    found: Found | None = None
    _ids: int = field(default=0)

    @property
    def user_id(self) -> UUID:
        return self.identity.user_id

    @property
    def account_id(self) -> UUID:
        return self.identity.account_id

    @property
    def domain_id(self) -> UUID:
        return self.identity.domain_id

    @property
    def role_type(self) -> str:
        return self.identity.role_type

    @property
    def is_root(self) -> bool:
        return self.identity.is_root

    def new_id(self) -> UUID:
        """A fresh id for something that this command creates."""
        if not self.by.idempotency_key:
            return self.random_id()
        self._ids += 1
        return uuid5(self.identity.account_id, f"{self.by.idempotency_key}/{self._ids}")

    def new_disk_id(self) -> UUID:
        """A fresh id for a volume. Nothing knows volumes by the first digits of their ids, so it
        is one of those that spare the log work."""
        made = self.new_id()
        return made if self.by.idempotency_key else in_order(self.now_ms, made)

    async def decide(self, intent: object) -> Any:
        """Change what is only a record. With dryrun, end here with what would happen."""
        if self.dry_run:
            await self._plan(intent)
        return await self.engine.decide(intent, self.by)

    async def submit(self, intent: object) -> Job:
        """Start the work of an intent. With dryrun, end here with what would happen."""
        if self.dry_run:
            await self._plan(intent)
        return await self.engine.submit(intent, self.by, run_id=self.job_id)

    async def perform(self, intent: object) -> Job:
        """Do the work of an intent and wait for its end, for what the wire calls synchronous."""
        if self.dry_run:
            await self._plan(intent)
        return await self.engine.perform(intent, self.by)

    async def secret(self, ref: str) -> str:
        """Open a sealed secret."""
        return await self.engine.secret(ref)

    async def seal(self, secret: str, key: UUID | None = None) -> str:
        """Seal a secret; with dryrun nothing is stored."""
        return "dryrun" if self.dry_run else await self.engine.seal(secret, key)

    async def shred(self, ref: str) -> None:
        """Forget a sealed secret; with dryrun nothing is forgotten."""
        if not self.dry_run:
            await self.engine.shred(ref)

    async def seal_password(self, password: str) -> str:
        """Hash a password into the sealed store; with dryrun nothing is stored."""
        return "dryrun" if self.dry_run else await self.engine.seal_password(password)

    async def rehearse(self, run: Callable[[Caller], Awaitable[object]]) -> None:
        """Refuse now what `run` would be refused, before anything is made that it needs."""
        with suppress(Planned):
            await run(replace(self, dry_run=True, rehearsal=True))

    async def _plan(self, intent: object) -> NoReturn:
        raise Planned(await self.engine.plan(intent, self.by, begun=self.rehearsal))
