"""A cloud and an engine in memory, with nouns of their own, for tests of the API's kernel.

The nouns are called `toy_...` and the commands `...Toy...`, so that they never meet real ones. The
tree: `/` holds root's admin; `/a` an admin and two tenants; `/a/sub` and `/b` a tenant each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID, uuid4, uuid5

import msgspec

from aggregates.base import Aggregate
from aggregates.tag import Tag
from api.caller import Engine, Identity, JobStep
from api.deadlines import Deadlines
from api.declare import (
    Bound,
    Caller,
    Cloud,
    Date,
    Free,
    Job,
    Matches,
    Moment,
    Names,
    OneOf,
    Roles,
    Success,
    View,
    command,
    date,
    entry,
    view,
)
from api.dispatch import Gateway
from api.identity import identify
from api.lists import Filter, list_command
from api.sessions import Sessions
from engine.intents import By
from projections.setting import settings
from projections.table import Table, TableSpec

SPACE = UUID("00000000-0000-4000-8000-000000000000")
NOW_MS = 1_761_832_299_000


def named(name: str) -> UUID:
    """The id of a thing in these tests, by its name."""
    return uuid5(SPACE, name)


class Domain(Aggregate, kw_only=True):
    KIND = "domain"
    name: str
    path: str
    parent_id: UUID | None = None


class Account(Aggregate, kw_only=True):
    KIND = "account"
    name: str
    domain_id: UUID
    role_type: str
    state: str = "enabled"
    role_id: UUID | None = None


class User(Aggregate, kw_only=True):
    KIND = "user"
    name: str
    account_id: UUID
    domain_id: UUID
    state: str = "enabled"


class ApiKey(Aggregate, kw_only=True):
    KIND = "api_key"
    key: str
    user_id: UUID
    secret_ref: str
    expires_at_ms: int | None = None
    rules: list[tuple[str, bool]] = msgspec.field(default_factory=list)


class Project(Aggregate, kw_only=True):
    KIND = "project"
    name: str
    account_id: UUID
    domain_id: UUID


class ProjectMember(Aggregate, kw_only=True):
    KIND = "project_member"
    project_id: UUID
    account_id: UUID
    user_id: UUID | None = None
    project_role_id: UUID | None = None


class Role(Aggregate, kw_only=True):
    KIND = "role"
    name: str
    role_type: str
    is_default: bool = False
    rules: list[tuple[str, bool]] = msgspec.field(default_factory=list)


class ToyZone(Aggregate, kw_only=True):
    KIND = "toy_zone"
    name: str
    domain_id: UUID | None = None


class ToyHost(Aggregate, kw_only=True):
    KIND = "toy_host"
    name: str


class ToyDisk(Aggregate, kw_only=True):
    KIND = "toy_disk"
    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    state: str = "Ready"
    size_gib: int = 1
    is_public: bool = False
    tags: dict[str, str] = msgspec.field(default_factory=dict)


class Run(Aggregate, kw_only=True):
    KIND = "saga"
    command: str
    user_id: UUID | None
    account_id: UUID | None
    subject_kind: str
    subject_id: UUID | None
    state: str = "Running"
    error: str = ""
    error_text: str = ""
    failed_step: str = ""
    percent: int = 0
    progress: str = ""
    finished_at_ms: int = 0
    idempotency_key: str = ""


zones = TableSpec(ToyZone)
hosts = TableSpec(ToyHost)
disks = TableSpec(ToyDisk, ("account_id", "domain_id", "zone_id", "state", "name"))
SPECS: tuple[TableSpec[Any], ...] = (
    TableSpec(Domain),
    TableSpec(Account, ("domain_id", "name")),
    TableSpec(User, ("name",)),
    TableSpec(ApiKey, ("key",)),
    TableSpec(Project),
    TableSpec(ProjectMember, ("account_id",)),
    settings,
    TableSpec(Role),
    TableSpec(Run, ("idempotency_key",)),
    TableSpec(Tag, ("resource_id",)),
    zones,
    hosts,
    disks,
)


class FakeCloud:
    """Tables without a log."""

    position, at_ms = 1, NOW_MS

    def __init__(self) -> None:
        self.tables: dict[str, Table[Any]] = {spec.kind: Table(spec) for spec in SPECS}

    def table(self, kind: str) -> Table[Any]:
        return self.tables[kind]

    def __getitem__(self, spec: TableSpec[Any]) -> Table[Any]:
        return self.tables[spec.kind]

    def add(self, row: Any) -> Any:
        table = self.tables[row.KIND]
        table.rows[row.id.int] = row
        table._add(row)
        return row


@dataclass(frozen=True)
class MakeDisk:
    disk_id: UUID
    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID


@dataclass(frozen=True)
class Fail:
    error: Exception


class NotAllowed(Exception):
    """Stands for the domain's error of this name."""


@dataclass
class FakeEngine:
    """Does what it is told at once and remembers by whom."""

    cloud: Any = field(default_factory=FakeCloud)
    asked: list[tuple[object, By]] = field(default_factory=list)
    past: Any = None
    secrets: dict[str, str] = field(default_factory=dict)

    async def decide(self, intent: object, by: By) -> Any:
        if isinstance(intent, Fail):
            raise intent.error
        self.asked.append((intent, by))
        assert isinstance(intent, MakeDisk)
        return self.cloud.add(
            ToyDisk(
                id=intent.disk_id,
                name=intent.name,
                account_id=intent.account_id,
                domain_id=intent.domain_id,
                zone_id=intent.zone_id,
                created_at_ms=NOW_MS,
            )
        )

    async def submit(self, intent: object, by: By, *, run_id: UUID | None = None) -> Job:
        made = await self.decide(intent, by)
        run = Run(
            id=run_id or uuid4(),
            command=by.command,
            user_id=by.user_id,
            account_id=by.account_id,
            subject_kind="toy_disk",
            subject_id=made.id,
            created_at_ms=NOW_MS,
            idempotency_key=by.idempotency_key,
        )
        self.cloud.add(run)
        return Job(run.id, made.id)

    async def perform(self, intent: object, by: By) -> Job:
        return await self.submit(intent, by)

    async def plan(self, intent: object, by: By, *, begun: bool = False) -> list[str]:
        if isinstance(intent, Fail):
            raise intent.error
        return [f"{type(intent).__name__} would be done"]

    async def at(self, at_ms: int) -> Any:
        return self.past or self.cloud

    async def job(self, job_id: UUID) -> Any:
        return self.cloud.table("saga").get(job_id)

    def steps(self, job: Any) -> list[JobStep]:
        return [JobStep("make", "Done", touches_world=True)]

    async def explain(self, ask: Any) -> Any:
        raise NotImplementedError("this cloud of toys has no hosts to explain")

    async def console(self, vm_id: UUID) -> str:
        return f"console of {vm_id}"

    async def check_password(self, user_id: UUID | None, password: str) -> bool:
        return user_id is not None and self.secrets.get(f"password:{user_id}") == password

    async def secret(self, ref: str) -> str:
        return self.secrets[ref]

    async def seal(self, secret: str, key: UUID | None = None) -> str:
        self.secrets[ref := str(key or f"sealed-{len(self.secrets)}")] = secret
        return ref

    async def shred(self, ref: str) -> bool:
        return self.secrets.pop(ref, None) is not None

    async def seal_password(self, password: str) -> str:
        return await self.seal(password)


DOMAINS = ("/", "/a", "/a/sub", "/b")
PEOPLE = {
    "root": ("/", "Admin"),
    "boss": ("/a", "DomainAdmin"),
    "ann": ("/a", "User"),
    "abe": ("/a", "User"),
    "sue": ("/a/sub", "User"),
    "bob": ("/b", "User"),
}


def make_engine() -> FakeEngine:
    """The tree of accounts, a key and a password each, a zone, a host and a disk each."""
    engine = FakeEngine()
    cloud: FakeCloud = engine.cloud
    for path in DOMAINS:
        cloud.add(Domain(id=named(path), name=path.rpartition("/")[2] or "ROOT", path=path))
    cloud.add(ToyZone(id=named("zone"), name="z1", created_at_ms=NOW_MS))
    cloud.add(ToyZone(id=named("zone-b"), name="Only B", domain_id=named("/b")))
    cloud.add(ToyHost(id=named("host"), name="h1"))
    for name, (path, role) in PEOPLE.items():
        add_person(engine, name, path, role)
    add_project(engine, "team", "/a", members=("ann",))
    return engine


def add_person(engine: FakeEngine, name: str, path: str, role: str) -> None:
    cloud = engine.cloud
    account_id, user_id = named(f"account {name}"), named(f"user {name}")
    domain_id = named(path)
    cloud.add(Account(id=account_id, name=name, domain_id=domain_id, role_type=role))
    cloud.add(User(id=user_id, name=name, account_id=account_id, domain_id=domain_id))
    cloud.add(ApiKey(id=named(f"k {name}"), key=f"{name}-key", user_id=user_id, secret_ref=name))
    engine.secrets[name] = f"{name}-Secret"
    engine.secrets[f"password:{user_id}"] = f"{name} password"
    add_disk(engine, f"disk {name}", account_id, domain_id)


def add_disk(engine: FakeEngine, name: str, account_id: UUID, domain_id: UUID, **more: Any) -> Any:
    return engine.cloud.add(
        ToyDisk(
            id=named(name),
            name=name,
            account_id=account_id,
            domain_id=domain_id,
            zone_id=named("zone"),
            created_at_ms=NOW_MS,
            **more,
        )
    )


def add_project(engine: FakeEngine, name: str, path: str, members: tuple[str, ...]) -> None:
    account_id = named(f"account {name}")
    engine.cloud.add(Account(id=account_id, name=name, domain_id=named(path), role_type="Project"))
    engine.cloud.add(
        Project(
            id=named(name),
            name=name,
            account_id=account_id,
            domain_id=named(path),
        )
    )
    for member in members:
        engine.cloud.add(
            ProjectMember(
                id=named(f"{member} in {name}"),
                project_id=named(name),
                account_id=named(f"account {member}"),
            )
        )
    add_disk(engine, f"disk {name}", account_id, named(path))


def who(engine: FakeEngine, name: str) -> Identity:
    found = identify(engine.cloud, named(f"user {name}"))
    assert found is not None
    return found


class Clock:
    """A clock that moves when told."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def make_gateway(engine: FakeEngine, clock: Clock | None = None) -> Gateway:
    counter = iter(range(1 << 30))
    return Gateway(
        engine=conforms(engine),
        sessions=Sessions(lambda size: f"{next(counter):0{size}}".encode()),
        now_ms=clock or Clock(),
        random_id=uuid4,
        trusted_user=lambda: named("user root"),
        deadlines=Deadlines(5),
    )


def conforms(engine: FakeEngine) -> Engine:
    """The fake is an Engine: the type checker proves it."""
    return engine


@view
class ToyZoneView(View, kw_only=True):
    """A zone of these tests."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    capacity: Annotated[int | None, "what only administrators see", Roles("Admin")] = None

    @classmethod
    def of(cls, row: ToyZone, cloud: Cloud) -> ToyZoneView:
        return cls(id=row.id, name=row.name, capacity=7)


@view
class ToyDiskView(View, kw_only=True):
    """A disk of these tests."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    size: Annotated[int, "size in GiB"]
    is_public: Annotated[bool, "whether everybody may use it"]
    state: Annotated[str | None, "how it is"] = None
    zone: Annotated[list[ToyZoneView], "where it may be"]
    tags: Annotated[list[dict[str, str]], "its tags"]
    created: Annotated[Date, "when it was made"]

    @classmethod
    def of(cls, row: ToyDisk, cloud: Cloud) -> ToyDiskView:
        return cls(
            id=row.id,
            name=row.name,
            size=row.size_gib,
            is_public=row.is_public,
            state=row.state or None,
            zone=[ToyZoneView.of(cloud.table("toy_zone")[row.zone_id], cloud)],
            tags=[{"key": key, "value": value} for key, value in row.tags.items()],
            created=date(row.created_at_ms),
        )


@list_command("listToyZones", view=ToyZoneView, table=zones, key="toyZone", scope="catalogue")
class ListToyZones:
    """List the zones of these tests."""


@list_command("listToyHosts", view=ToyZoneView, table=hosts, key="toyhost", scope="admin")
class ListToyHosts:
    """List the hosts of these tests."""


@list_command("listToyDisks", view=ToyDiskView, table=disks, key="toydisk")
class ListToyDisks:
    """List the disks of these tests."""

    zone_id: Annotated[UUID | None, "disks in it", Names("toy_zone", right="see")] = None
    state: Annotated[str | None, "disks in this state"] = None
    at_least: Annotated[
        int | None, "disks at least so large", Filter(test=lambda row, gib: row.size_gib >= gib)
    ] = None
    details: Annotated[bool | None, "filters nothing", Filter()] = None

    def tags_on(self, row: Any, caller: Caller) -> dict[str, str]:
        return dict(row.tags)


@entry
class ToyNic:
    """One group of a map parameter."""

    zone_id: Annotated[UUID, "where", Names("toy_zone")]
    ip4_address: Annotated[str | None, "which address"] = None


@command("createToyDisk", returns=ToyDiskView, key="toydisk", allow="ARDU", action="TOY.CREATE")
class CreateToyDisk:
    """Create a disk.

    More about it.
    """

    name: Annotated[str, "its name", Matches(r"[ -~]+", "printable")]
    zone_id: Annotated[UUID, "where it shall be", Names("toy_zone", right="use")]
    size: Annotated[int | None, "size in GiB", Bound(1, 100)] = None
    factor: Annotated[float | None, "a number"] = None
    format: Annotated[str | None, "its format", OneOf("QCOW2", "RAW")] = None
    since: Annotated[Moment | None, "a time"] = None
    details: Annotated[dict[str, str] | None, "details"] = None
    bare_tags: Annotated[dict[str, str | None] | None, "tags with or without a value"] = None
    nics: Annotated[tuple[ToyNic, ...], "groups"] = ()
    group_list: Annotated[list[dict[str, str]] | None, "groups without a type"] = None
    like_ids: Annotated[tuple[UUID, ...] | None, "disks", Names("toy_disk", right="see")] = None
    custom_id: Annotated[UUID | None, "its id", Free("the caller chooses it")] = None
    secret_hint: Annotated[str | None, "for administrators", Roles("Admin")] = None

    async def run(self, caller: Caller) -> ToyDisk:
        made = MakeDisk(
            self.custom_id or caller.new_id(),
            self.name,
            caller.account_id,
            caller.domain_id,
            self.zone_id,
        )
        return await caller.decide(made)  # type: ignore[no-any-return]


@command(
    "startToyDisk",
    returns=ToyDiskView,
    key="toydisk",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="TOY.START",
)
class StartToyDisk:
    """Create a disk as a job."""

    zone_id: Annotated[UUID, "where", Names("toy_zone", right="use")]

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(
            MakeDisk(caller.new_id(), "job", caller.account_id, caller.domain_id, self.zone_id)
        )


@command("deleteToyDisk", returns=Success, allow="ARDU", envelope="removetoydiskresponse")
class DeleteToyDisk:
    """Delete a disk."""

    id: Annotated[UUID, "the disk", Names("toy_disk", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(Fail(NotAllowed(f"disk {self.id} is Attached: detach it first")))


@command("breakToyDisk", returns=Success, allow="A")
class BreakToyDisk:
    """Run into a bug of ours."""

    async def run(self, caller: Caller) -> None:
        raise ZeroDivisionError("the secret innards")
