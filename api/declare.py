"""One declaration per command: parsing, listApis, OpenAPI and the rights matrix read it.

    @command("createZone", returns=ZoneView, key="zone", allow="A", action="ZONE.CREATE")
    class CreateZone:
        \"\"\"Create a zone.\"\"\"

        name: Annotated[str, "name of the zone"]
        domain_id: Annotated[UUID | None, "its only domain", Names("domain")] = None

        async def run(self, caller: Caller) -> Row: ...

`run` returns what `shape` says: for `object` a row or a view; for `list` rows or views, or a
`Page`; for `success` None or a `Success`; for `flat` a view; and a `Job` when `is_async`. A row
is turned into an answer by the view's `of`. An id without `Names` is refused.

Reading five hundred commands takes longer than all else that a start does, so their fields are
read when somebody first asks; `read_all` does it for those nobody asked for, beside the work.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, TypeVar, dataclass_transform
from uuid import UUID

import msgspec
from msgspec import Struct

from api.caller import Caller, Job
from api.fields import (
    EVERY,
    Bound,
    Date,
    DeclarationError,
    Field,
    Free,
    Idle,
    Kind,
    Later,
    Length,
    Matches,
    Moment,
    Names,
    OneOf,
    Roles,
    Wire,
    date,
    read,
    wire_name,
)
from projections.cloud import Cloud

__all__ = [
    "EVERY",
    "Bound",
    "Caller",
    "Cloud",
    "Date",
    "DeclarationError",
    "Free",
    "Idle",
    "Job",
    "Later",
    "Length",
    "Matches",
    "Moment",
    "Names",
    "OneOf",
    "Page",
    "Roles",
    "Spec",
    "Success",
    "View",
    "Wire",
    "command",
    "completed",
    "date",
    "entry",
    "load",
    "read_all",
    "view",
]

Shape = Literal["object", "list", "success", "flat"]
PLANS = 64
RIGHTS = {"see", "use", "operate"}
READS = ("list", "get", "query", "find")

Measured = Callable[[Any, Cloud], dict[str, Any]]

C = TypeVar("C")
V = TypeVar("V", bound="type[View]")


class Reads:
    """Some fields of a view, read when first asked for; from then on its class has them."""

    def __init__(self, name: str, passes: Callable[[Field], bool]) -> None:
        self._name, self._passes = name, passes

    def __get__(self, made: object, cls: type) -> tuple[Field, ...]:
        found = tuple(one for one in read(cls) if self._passes(one))
        setattr(cls, self._name, found)
        return found


class View(Struct, kw_only=True, omit_defaults=True, rename=wire_name):
    """An answer about one thing. None is left out; every other default is forbidden.

    A subclass is declared `@view class ZoneView(View, kw_only=True)` and makes itself from a row.
    """

    FIELDS: ClassVar[tuple[Field, ...]] = ()
    LIMITED: ClassVar[tuple[Field, ...]] = ()
    NESTED: ClassVar[tuple[Field, ...]] = ()
    MEASURED: ClassVar[Measured | None] = None
    """The fields, which every role sees, that tell a row's measurements. `of` has them too, and
    reads no other measurements."""

    job_id: Annotated[UUID | None, "the job that works on it now"] = None
    job_status: Annotated[int | None, "0 while that job runs, 1 done, 2 failed"] = None

    @classmethod
    def of(cls, row: Any, cloud: Cloud) -> Any:
        """The answer for a row, reading whatever else it shows from the same cloud."""
        raise NotImplementedError(f"{cls.__name__} does not say how it is made from a row")


VIEWS: dict[str, type[View]] = {}
PARTS: dict[str, Callable[[Field], bool]] = {
    "FIELDS": lambda field: True,
    "LIMITED": lambda field: field.mark(Roles) is not None,
    "NESTED": lambda field: Kind.OBJECT in (field.kind, field.element),
}


def view(cls: V) -> V:
    """Register a view. Every field has a sentence; a default can only be None."""
    if cls.__name__ in VIEWS:
        raise DeclarationError(f"two views are called {cls.__name__}")
    defaults = cls.__struct_defaults__  # of the last fields; those that must be given come too
    names = cls.__struct_fields__[len(cls.__struct_fields__) - len(defaults) :]
    for name, default in zip(names, defaults, strict=True):
        if default is not None and default is not msgspec.NODEFAULT:
            raise DeclarationError(f"{cls.__name__}.{name}: a default but None would vanish")
    for part, passes in PARTS.items():
        setattr(cls, part, Reads(part, passes))
    VIEWS[cls.__name__] = cls
    return cls


@view
class Success(View, kw_only=True):
    """The answer of a command that gives nothing back."""

    success: Annotated[bool | None, "true if it was done"]
    display_text: Annotated[str | None, "anything worth adding"] = None


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list: `items` of `count` matches. Items are rows or views.

    `ready` is what they are in JSON, where that is known: then it counts, and not the items.
    """

    count: int
    items: Sequence[Any]
    ready: bytes | None = None


@dataclass(frozen=True)
class Spec:
    """A command, as it is declared. `allow` holds the letters of the built-in roles.

    `make` gives the class that a request becomes, with all its fields; it is called once.
    """

    name: str
    doc: str
    make: Callable[[], type[Any]]
    returns: type[View]
    allow: str
    since: str
    is_async: bool
    creates: bool
    key: str
    envelope: str
    shape: Shape
    action: str
    reads: bool
    public: bool

    @cached_property
    def cls(self) -> type[Any]:
        return self.make()

    @cached_property
    def params(self) -> tuple[Field, ...]:
        """What it takes; anything doubtful about that is fatal."""
        found = read(self.cls)
        for param in found:
            check_id(self.name, param)
        if len({param.wire for param in found}) != len(found):
            raise DeclarationError(f"{self.name}: two parameters have one name on the wire")
        if hasattr(self.cls, "__post_init__"):
            raise DeclarationError(f"{self.name}: what __post_init__ would do, run() does")
        if any(one.default_factory is not MISSING for one in fields(self.cls)):
            raise DeclarationError(f"{self.name}: a default must be a value that all may hold")
        if any(param.required and param.roles is not None for param in found):
            raise DeclarationError(f"{self.name}: nobody can be told to send what vanishes")
        return found

    @property
    def is_read(self) -> bool:
        """Whether its parameters were asked for before; the first time takes some milliseconds."""
        return "params" in self.__dict__

    @cached_property
    def by_wire(self) -> dict[str, Field]:
        return {param.wire: param for param in self.params}

    @cached_property
    def naming(self) -> tuple[Field, ...]:
        """The parameters that may name something."""
        return tuple(one for one in self.params if one.mark(Names) or one.element is Kind.OBJECT)

    @cached_property
    def places(self) -> dict[str, int]:
        return {param.wire: place for place, param in enumerate(self.params)}

    @cached_property
    def needed(self) -> frozenset[int]:
        return frozenset(place for place, param in enumerate(self.params) if param.required)

    @cached_property
    def unsaid(self) -> dict[str, Any]:
        """What each parameter that may be left out is without being sent."""
        return {one.name: one.default for one in fields(self.cls) if one.default is not MISSING}

    def asked(self, made: Mapping[str, Any]) -> Any:
        """The command with these parameters, among them all that must be there.

        A frozen class sets each field by a call of its own: sixty for a deploy that sends five.
        """
        ask = object.__new__(self.cls)
        ask.__dict__.update(self.unsaid)
        ask.__dict__.update(made)
        return ask

    @property
    def of_any_time(self) -> bool:
        """May it be asked as of a time in the past? Lists may: they read the cloud alone."""
        return self.reads and self.shape == "list"

    @cached_property
    def plans(self) -> dict[tuple[int, ...], list[Field]]:
        return {}

    def sent(self, query: Iterable[str], groups: Iterable[str] = ()) -> list[Field]:
        """The parameters that were sent by one of these names, and those that must be, in order.

        A client sends the same names in the same order again and again, so what they came to is
        kept, for a few of them.
        """
        places = self.places
        known = tuple([places[name] for name in (*query, *groups) if name in places])
        plan = self.plans.get(known)
        if plan is None:
            if len(self.plans) >= PLANS:
                self.plans.clear()
            wanted = sorted(self.needed.union(known))
            plan = self.plans[known] = [self.params[place] for place in wanted]
        return plan


REGISTRY: dict[str, Spec] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def entry(cls: type[C]) -> type[C]:
    """Declare the fields of one group of a map parameter: `iptonetworklist[0].networkid=...`."""
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    for field in read(made):
        check_id(made.__name__, field)
    return made


@dataclass_transform(frozen_default=True, kw_only_default=True)
def command(
    name: str,
    *,
    returns: type[View],
    allow: str,
    key: str = "",
    shape: Shape | None = None,
    is_async: bool = False,
    creates: bool = False,
    envelope: str = "",
    since: str = "4.0",
    action: str = "",
    reads: bool | None = None,
    public: bool = False,
) -> Callable[[type[C]], type[C]]:
    """Register a command. `allow` is letters: A root, R resource admin, D domain admin, U user.

    `creates` says that the immediate answer of an asynchronous command carries the new thing's
    id. `action` is what the event list calls it (`VM.CREATE`). `reads` (from the name unless
    given) marks what changes nothing: it takes no dryrun and no idempotency key. `public` needs
    no authentication; its `run` is given a `Visitor` (sessions.py) instead of a `Caller`.
    """

    def declare(cls: type[C]) -> type[C]:
        if not inspect.iscoroutinefunction(getattr(cls, "run", None)):
            raise DeclarationError(f"{name} needs `async def run(self, caller)`")
        _DECLARED.add(cls)
        register(
            name,
            cls,
            lambda: completed(cls),
            returns=returns,
            allow=allow,
            key=key,
            shape=shape or ("success" if returns is Success else "object"),
            is_async=is_async,
            creates=creates,
            envelope=envelope or f"{name.lower()}response",
            since=since,
            action=action,
            reads=name.startswith(READS) if reads is None else reads,
            public=public,
        )
        return cls

    return declare


_DECLARED: set[type] = set()


@dataclass_transform(frozen_default=True, kw_only_default=True)
def part(cls: type[C]) -> type[C]:
    """Declare parameters that several commands take: a class that these build on.

    As a command, it becomes a dataclass when the first of them is read.
    """
    _DECLARED.add(cls)
    return cls


def completed(cls: type[Any]) -> type[Any]:
    """A declared class as the dataclass that it is meant to be, and those that it builds on."""
    for one in reversed(cls.__mro__):
        if one in _DECLARED:
            _DECLARED.remove(one)
            dataclass(frozen=True, kw_only=True)(one)
    return cls


def register(
    name: str,
    cls: type[Any],
    make: Callable[[], type[Any]],
    *,
    key: str,
    shape: Shape,
    allow: str,
    **rest: Any,
) -> None:
    """Check what a declaration says at once, and put it into the registry.

    `make` makes of the class what a request becomes; its fields are checked when they are read.
    """
    if name in REGISTRY:
        raise DeclarationError(f"{name} is declared twice: see {REGISTRY[name].cls.__module__}")
    doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    if not doc or doc.startswith(f"{cls.__name__}("):
        raise DeclarationError(f"{name} has no docstring: listApis shows its first line")
    if shape in ("object", "list") and not key:
        raise DeclarationError(f"{name} needs the key of its answer")
    if not allow or set(allow) - set("ARDU"):
        raise DeclarationError(f"{name}: allow={allow!r} is not letters of ARDU")
    REGISTRY[name] = Spec(name=name, doc=doc, make=make, key=key, shape=shape, allow=allow, **rest)


def check_id(owner: str, param: Field) -> None:
    """An id says what it names and the right it needs, or why it names nothing."""
    names, free = param.mark(Names), param.mark(Free)
    typed = Kind.UUID in (param.kind, param.element)
    texty = Kind.STRING in (param.kind, param.element)
    looks = typed or (texty and param.wire.endswith(("id", "ids", "uuid")))
    if names is not None and names.right not in RIGHTS:
        raise DeclarationError(f"{owner}.{param.attr}: there is no right {names.right!r}")
    if looks and names is None and free is None:
        raise DeclarationError(
            f"{owner}.{param.attr} is an id that does not say what it names: "
            'add Names("noun", right="use"), or Free("why it guards nothing")'
        )


def load(packages: Iterable[str] = ("api.views", "api.commands")) -> dict[str, Spec]:
    """Import every module of the folders, so that declaring a command is all there is to it."""
    for package in packages:
        for found in sorted(pkgutil.iter_modules(import_module(package).__path__)):
            import_module(f"{package}.{found.name}")
    return REGISTRY


async def read_all(pause: Callable[[], Awaitable[None]]) -> None:
    """Read every declaration, a little at a time: one that is wrong ends what runs this."""
    for spec in list(REGISTRY.values()):
        await pause()
        assert len(spec.by_wire) == len(spec.params)
        read(spec.returns)


def id_params(spec: Spec) -> Iterable[tuple[str, Field]]:
    """Every id of a command by its wire path; the fields of map entries included."""
    for param in spec.params:
        if param.mark(Names) is not None:
            yield param.wire, param
        if param.element is Kind.OBJECT:
            for inner in read(param.of):
                if inner.mark(Names) is not None:
                    yield f"{param.wire}[].{inner.wire}", inner
