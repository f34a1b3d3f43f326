"""One declaration per command: parsing, listApis, OpenAPI and the rights matrix read it.

    @command("createZone", returns=ZoneView, key="zone", allow="A", action="ZONE.CREATE")
    class CreateZone:
        \"\"\"Create a zone.\"\"\"

        name: Annotated[str, "name of the zone"]
        domain_id: Annotated[UUID | None, "its only domain", Names("domain")] = None

        async def run(self, caller: Caller) -> Row: ...

`run` returns what `shape` says: for `object` a row or a view; for `list` rows or views, or a
`Page`; for `success` None or a `Success`; for `flat` a view; and a `Job` when `is_async`. A row
is turned into an answer by the view's `of`. An id without `Names` cannot register.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    "date",
    "entry",
    "load",
    "view",
]

Shape = Literal["object", "list", "success", "flat"]
RIGHTS = {"see", "use", "operate"}
READS = ("list", "get", "query", "find")

C = TypeVar("C")
V = TypeVar("V", bound="type[View]")


class View(Struct, kw_only=True, omit_defaults=True, rename=wire_name):
    """An answer about one thing. None is left out; every other default is forbidden.

    A subclass is declared `@view class ZoneView(View, kw_only=True)` and makes itself from a row.
    """

    FIELDS: ClassVar[tuple[Field, ...]] = ()
    LIMITED: ClassVar[tuple[Field, ...]] = ()
    NESTED: ClassVar[tuple[Field, ...]] = ()

    job_id: Annotated[UUID | None, "the job that works on it now"] = None
    job_status: Annotated[int | None, "0 while that job runs, 1 done, 2 failed"] = None

    @classmethod
    def of(cls, row: Any, cloud: Cloud) -> Any:
        """The answer for a row, reading whatever else it shows from the same cloud."""
        raise NotImplementedError(f"{cls.__name__} does not say how it is made from a row")


VIEWS: dict[str, type[View]] = {}


def view(cls: V) -> V:
    """Register a view. Every field has a sentence; a default can only be None."""
    if cls.__name__ in VIEWS:
        raise DeclarationError(f"two views are called {cls.__name__}")
    for one in msgspec.structs.fields(cls):
        if not one.required and one.default is not None:
            raise DeclarationError(f"{cls.__name__}.{one.name}: a default but None would vanish")
    cls.FIELDS = read(cls)
    cls.LIMITED = tuple(field for field in cls.FIELDS if field.mark(Roles) is not None)
    cls.NESTED = tuple(one for one in cls.FIELDS if Kind.OBJECT in (one.kind, one.element))
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


@dataclass(frozen=True, slots=True)
class Spec:
    """A command, read from its declaration. `allow` holds the letters of the built-in roles."""

    name: str
    doc: str
    cls: type[Any]
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
    params: tuple[Field, ...]
    by_wire: dict[str, Field]
    naming: tuple[Field, ...]
    places: dict[str, int]
    needed: frozenset[int]

    @property
    def of_any_time(self) -> bool:
        """May it be asked as of a time in the past? Lists may: they read the cloud alone."""
        return self.reads and self.shape == "list"

    def sent(self, *named: Mapping[str, object]) -> list[Field]:
        """The parameters that were sent by one of these names, and those that must be, in order."""
        places = self.places
        found = set(self.needed)
        for names in named:
            found.update(places[name] for name in names if name in places)
        return [self.params[place] for place in sorted(found)]


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
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        register(
            name,
            made,
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
        return made

    return declare


def register(name: str, cls: type[Any], *, key: str, shape: Shape, allow: str, **rest: Any) -> None:
    """Check a declaration and put it into the registry; anything doubtful is fatal."""
    if name in REGISTRY:
        raise DeclarationError(f"{name} is declared twice: see {REGISTRY[name].cls.__module__}")
    doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    if not doc or doc.startswith(f"{cls.__name__}("):
        raise DeclarationError(f"{name} has no docstring: listApis shows its first line")
    if not inspect.iscoroutinefunction(getattr(cls, "run", None)):
        raise DeclarationError(f"{name} needs `async def run(self, caller)`")
    if shape in ("object", "list") and not key:
        raise DeclarationError(f"{name} needs the key of its answer")
    if not allow or set(allow) - set("ARDU"):
        raise DeclarationError(f"{name}: allow={allow!r} is not letters of ARDU")
    params = read(cls)
    for param in params:
        check_id(name, param)
    by_wire = {param.wire: param for param in params}
    if len(by_wire) != len(params):
        raise DeclarationError(f"{name}: two parameters have one name on the wire")
    REGISTRY[name] = Spec(
        name=name,
        doc=doc,
        cls=cls,
        key=key,
        shape=shape,
        allow=allow,
        params=params,
        by_wire=by_wire,
        naming=tuple(one for one in params if one.mark(Names) or one.element is Kind.OBJECT),
        places={param.wire: place for place, param in enumerate(params)},
        needed=frozenset(place for place, param in enumerate(params) if param.required),
        **rest,
    )


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


def id_params(spec: Spec) -> Iterable[tuple[str, Field]]:
    """Every id of a command by its wire path; the fields of map entries included."""
    for param in spec.params:
        if param.mark(Names) is not None:
            yield param.wire, param
        if param.element is Kind.OBJECT:
            for inner in read(param.of):
                if inner.mark(Names) is not None:
                    yield f"{param.wire}[].{inner.wire}", inner
