"""What a client may call: messages by name, with the types of their parameters.

Each message is a function of a `Context` and its parameters. Getters and setters of fields are
made from the model. Parameters are checked before a message runs, as XAPI's own dispatcher does.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.peers.xapi.model import CLASSES, NULL, is_settable, kind_of
from tests.peers.xapi.store import Store, XapiError

if TYPE_CHECKING:
    from tests.peers.xapi.world import World

F = TypeVar("F", bound=Callable[..., Any])
PYTHON = {
    "str": str, "bool": bool, "set": list, "map": dict, "map_any": dict, "date": str,
}  # fmt: skip


@dataclass(slots=True)
class Context:
    """Who asks, of which host, and the task that it runs as."""

    world: World
    host: str
    session: str = ""
    task: str = ""

    @property
    def store(self) -> Store:
        return self.world.store

    @asynccontextmanager
    async def working(
        self, operation: str, *refs: str, takes_s: float | None = None
    ) -> AsyncIterator[None]:
        """Show what is being done to these objects while it is; a cancelled task undoes nothing."""
        for ref in refs:
            self.store.operate(ref, self.task, operation)
        try:
            pace_s = self.world.behaviour.pace_s if takes_s is None else takes_s
            await asyncio.sleep(pace_s)
            yield
        finally:
            for ref in refs:
                self.store.operate(ref, self.task, "")


@dataclass(frozen=True, slots=True)
class Message:
    body: Callable[..., Any]
    types: tuple[str, ...]

    async def run(self, context: Context, arguments: list[Any]) -> Any:
        said = self.body(context, *arguments)
        return await said if inspect.isawaitable(said) else said


MESSAGES: dict[str, Message] = {}


def message(name: str, *types: str) -> Callable[[F], F]:
    """Let clients call a function by this name."""

    def register(body: F) -> F:
        assert name not in MESSAGES, name
        MESSAGES[name] = Message(body, types)
        return body

    return register


def check(store: Store, name: str, types: tuple[str, ...], given: list[Any]) -> None:
    """The number of parameters, counted with the session, and the type of each."""
    if len(types) != len(given):
        raise XapiError("MESSAGE_PARAMETER_COUNT_MISMATCH", name, len(types) + 1, len(given) + 1)
    for kind, value in zip(types, given, strict=True):
        check_value(store, name, kind, value)


def check_value(store: Store, where: str, kind: str, value: Any) -> None:
    if kind.startswith("ref "):
        cls, _, can_be_null = kind.removeprefix("ref ").partition("?")
        if not isinstance(value, str):
            raise XapiError("FIELD_TYPE_ERROR", where)
        if not store.has(cls, value) and not (value in (NULL, "") and can_be_null == "null"):
            raise XapiError("HANDLE_INVALID", cls, value)
        return
    if kind == "int":
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        fits = fits and str(value).lstrip("-").isdigit()
    elif kind == "float":
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif kind == "any":
        fits = True
    else:
        fits = isinstance(value, PYTHON[kind])
    if fits and kind == "map":
        fits = all(isinstance(one, str) for pair in value.items() for one in pair)
    if not fits:
        raise XapiError("FIELD_TYPE_ERROR", where)


def find(name: str) -> Message:
    """A message of the reference, or one that is made from a field."""
    if name in MESSAGES:
        return MESSAGES[name]
    cls, _, verb = name.partition(".")
    if cls in CLASSES and (made := _generic(cls, verb)) is not None:
        return made
    raise XapiError("MESSAGE_METHOD_UNKNOWN", name)


def _generic(cls: str, verb: str) -> Message | None:
    fields = CLASSES[cls]
    if verb == "get_all":
        return Message(lambda c: c.store.refs(cls), ())
    if verb == "get_all_records":
        return Message(lambda c: c.world.records(cls), ())
    if verb == "get_all_records_where":
        return Message(lambda c, query: _where(c, cls, query), ("str",))
    if verb == "get_record":
        return Message(lambda c, ref: c.world.record(cls, ref), (f"ref {cls}",))
    if verb == "get_by_uuid":
        return Message(lambda c, uuid: c.store.by_uuid(cls, uuid), ("str",))
    if verb == "get_by_name_label" and "name_label" in fields:
        return Message(lambda c, label: c.store.refs(cls, name_label=label), ("str",))
    if verb.startswith("get_") and (field := verb.removeprefix("get_")) in fields:
        return Message(lambda c, ref: c.world.record(cls, ref)[field], (f"ref {cls}",))
    return _setter(cls, verb)


def _setter(cls: str, verb: str) -> Message | None:
    """`set_FIELD`, and for maps `add_to_FIELD` and `remove_from_FIELD`, of what clients may set."""
    prefix = next((one for one in ("set_", "add_to_", "remove_from_") if verb.startswith(one)), "")
    field = verb.removeprefix(prefix)
    if not prefix or field not in CLASSES[cls] or not is_settable(cls, field):
        return None
    ours, kind = f"ref {cls}", kind_of(cls, field)
    if prefix == "set_":
        null = f"{kind}?null" if kind.startswith("ref ") else kind
        return Message(lambda c, ref, v: c.store.put(ref, **{field: v}), (ours, null))
    if kind != "map":
        return None
    if prefix == "add_to_":
        return Message(
            lambda c, ref, k, v: _add_to(c.store, cls, ref, field, k, v), (ours, "str", "str")
        )
    return Message(lambda c, ref, k: _take_from(c.store, cls, ref, field, k), (ours, "str"))


def _add_to(store: Store, cls: str, ref: str, field: str, key: str, value: str) -> None:
    held = store.get(cls, ref)[field]
    if key in held:
        raise XapiError("MAP_DUPLICATE_KEY", cls, field, ref, key)
    store.put(ref, **{field: held | {key: value}})


def _take_from(store: Store, cls: str, ref: str, field: str, key: str) -> None:
    held = store.get(cls, ref)[field]
    store.put(ref, **{field: {name: value for name, value in held.items() if name != key}})


def _where(context: Context, cls: str, query: str) -> dict[str, Any]:
    """`field "name__label" = "x"`, joined by `and`: a part of the reference's grammar."""
    wanted = []
    for term in query.split(" and "):
        words = term.strip().split('"')
        if len(words) != 5 or words[0].strip() != "field" or words[2].strip() != "=":
            raise XapiError("INTERNAL_ERROR", f"cannot parse {query!r}")
        name = words[1].replace("__", "_")
        if name not in CLASSES[cls]:
            raise XapiError("INTERNAL_ERROR", f"no field {words[1]}")
        wanted.append((name, words[3]))
    store = context.store
    found = [
        ref
        for ref in store.refs(cls)
        if all(_text(store.get(cls, ref)[name]) == value for name, value in wanted)
    ]
    return {ref: context.world.record(cls, ref) for ref in found}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
