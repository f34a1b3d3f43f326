"""From what came over the wire to a typed command, or to the exact words for what is wrong.

Pure: strings in, a command out. `normal` lower-cases the names as the wire rules say; `parse`
converts and checks each parameter; `check_ids` then resolves every id that a declaration names and
asks for the declared right on it, before any body runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn
from uuid import UUID

from api.authz import NOUNS, RIGHTS, Verdict, judge
from api.caller import Caller
from api.declare import Spec
from api.errors import Denied, MalformedParam, ParamError, bad_value, missing, no_such_id
from api.fields import EVERY, Field, Free, Kind, Later, Length, Names, OneOf, read

Query = Mapping[str, str]
Groups = dict[str, dict[str, dict[str, str]]]

UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
INTEGER_FORM = re.compile(r"[+-]?[0-9]{1,19}")
FLOAT_FORM = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
GROUP_FORM = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]\.([^\[\]]+)")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SECRET = re.compile(r"passw|secret|privatekey|ipsecpsk|token|2fa|url")
DAY_MS = 24 * 3600 * 1000
PARAM_LENGTH = 255
NAMES = frozenset({"name", "newname", "username", "firstname", "lastname", "email"})


uuid_of = lru_cache(maxsize=4096)(UUID)
"""Zones, networks and offerings are named again and again, and to read an id has its price."""


def shown(path: str, value: str) -> str:
    """What a refusal may repeat of a value: never a secret, nor a URL that may hold one."""
    return "(not shown)" if SECRET.search(path) else value[:PARAM_LENGTH]


def normal(raw: Sequence[tuple[str, str]], lowered: Query | None = None) -> Query:
    """Parameters by their lower-cased names; a map's field keeps its case. The last one wins.

    `lowered` are the same by names that are lower-cased throughout, if they are known already.
    """
    text = "".join(map("".join, raw))
    if CONTROL.search(text) is not None:
        _refuse_spoiled(raw)
    if lowered is not None and "]." not in text:
        return lowered
    found = {}
    for name, value in raw:
        head, dot, field = name.partition("].")
        found[head.lower() + dot + field] = value
    return found


def _refuse_spoiled(raw: Sequence[tuple[str, str]]) -> NoReturn:
    """Say which is the first parameter with a control character in it."""
    name = next(name for name, value in raw if CONTROL.search(name) or CONTROL.search(value))
    raise ParamError(
        f"The value of parameter {CONTROL.sub('?', name)} contains control characters: "
        "take them out"
    )


def grouped(query: Query) -> Groups:
    """Map parameters: name, then group, then field. Anything else with a bracket is a 430."""
    groups: Groups = {}
    names = "".join(query)
    if "[" not in names and "]" not in names:
        return groups
    for name, value in query.items():
        if "[" not in name and "]" not in name:
            continue
        parts = GROUP_FORM.fullmatch(name)
        if parts is None:
            raise MalformedParam(
                f"Parameter {name[:100]} is malformed: a map is sent as name[0].field=value"
            )
        groups.setdefault(parts[1], {}).setdefault(parts[2], {})[parts[3]] = value
    return groups


def parse(spec: Spec, query: Query, role_type: str) -> Any:
    """A typed command. Parameters that the role does not have vanish, as unknown ones do."""
    groups = grouped(query)
    made: dict[str, Any] = {}
    params = spec.sent(query, groups)
    for param in params:
        if not param.open_to(role_type):
            continue
        raw = query.get(param.wire)
        if param.kind is Kind.MAP or param.element in (Kind.OBJECT, Kind.MAP):
            if param.wire in groups:
                made[param.attr] = _map(spec.name, param, groups[param.wire])
            elif raw:
                raise bad_value(spec.name, param.wire, shown(param.wire, raw), "is a map")
            elif param.required:
                raise missing(spec.name, param.wire)
            continue
        if raw is None or _blank(param, raw, spec.reads):
            if param.required:
                raise missing(spec.name, param.wire)
            continue
        made[param.attr] = _value(spec.name, param, raw)
    for param in params:
        if param.is_later and param.attr in made:
            _refuse(spec.name, param, made[param.attr])
    return spec.asked(made)


def _refuse(command: str, param: Field, value: Any) -> None:
    """What is known and not offered yet is refused as soon as a value asks for it."""
    later: Later | None = param.mark(Later)
    why = None if later is None else later.refusal(value)
    if why is not None:
        text = f"Unable to execute API command {command.lower()} due to parameter {param.wire}"
        raise ParamError(f"{text}: it {why}")


def _blank(param: Field, raw: str, reads: bool = True) -> bool:
    """An empty value is no value, except for optional text and lists, which it empties.

    What is changed keeps its name; a list by an empty name finds nothing, and not everything.
    """
    if raw.strip():
        return False
    if param.required or param.kind not in (Kind.STRING, Kind.LIST):
        return True
    return param.wire in NAMES and not reads


def _value(command: str, param: Field, raw: str, path: str = "") -> Any:
    path = path or param.wire
    if param.kind is Kind.LIST:
        parts = [part.strip() for part in raw.split(",") if part.strip()]
        made = param.sequence(_one(command, param, param.element, part, path) for part in parts)
    else:
        made = _one(command, param, param.kind, raw, path)
    for check in param.checks:
        for one in made if param.kind is Kind.LIST else (made,):
            try:
                check(one)
            except ValueError as why:
                raise bad_value(command, path, shown(path, raw), str(why)) from why
    return made


def _one(command: str, param: Field, kind: Kind | None, raw: str, path: str) -> Any:
    """One scalar of a kind."""
    if kind is Kind.BOOLEAN:
        return raw.strip().lower() == "true"
    if kind is Kind.UUID:
        return _uuid(command, param, raw.strip(), path)
    try:
        if kind is Kind.INTEGER:
            return integer(raw)
        if kind is Kind.FLOAT:
            return number(raw)
        if kind is Kind.DATE:
            return moment(raw, end_of_day="end" in path)
        return _text(param, raw)
    except ValueError as why:
        raise bad_value(command, path, shown(path, raw), str(why)) from why


def _uuid(command: str, param: Field, raw: str, path: str) -> UUID:
    names: Names | None = param.mark(Names)
    if raw == "-1" and names is not None and names.every:
        return EVERY
    if UUID_FORM.fullmatch(raw) is None:
        if param.mark(Free) is not None:
            raise bad_value(command, path, shown(path, raw), "must be a UUID")
        raise no_such_id(command, path, shown(path, raw))
    return uuid_of(raw)


def _text(param: Field, raw: str) -> str:
    """Text as it came; spaces alone are empty text, so nothing gets a name that nobody sees."""
    raw = raw if raw.strip() else ""
    limit: Length | None = param.mark(Length)
    at_most = limit.at_most if limit is not None else PARAM_LENGTH
    if len(raw) > at_most:
        raise ValueError(f"has {len(raw)} characters, and at most {at_most} are allowed")
    words: OneOf | None = param.mark(OneOf)
    if words is not None and raw:
        return words.spell(raw)
    if param.of is not None:
        spelled = {str(word.value).lower(): word for word in param.of}
        if raw.lower() not in spelled:
            raise ValueError(f"must be one of {', '.join(word.value for word in param.of)}")
        return spelled[raw.lower()]  # type: ignore[no-any-return]
    return raw


def integer(raw: str) -> int:
    """A whole number that fits 64 bits; nothing else that Python would take for one."""
    if INTEGER_FORM.fullmatch(raw.strip()) is None or not -(2**63) <= int(raw) < 2**63:
        raise ValueError("must be a whole number")
    return int(raw)


def number(raw: str) -> float:
    """A finite decimal number."""
    if FLOAT_FORM.fullmatch(raw.strip()) is None or not math.isfinite(float(raw)):
        raise ValueError("must be a number")
    return float(raw)


def moment(raw: str, *, end_of_day: bool = False) -> int:
    """A time on the wire as milliseconds: ISO with a zone, or a day and perhaps a time in UTC."""
    text = raw.strip()
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time such as 2025-10-30T13:51:39+0000") from None
    if len(text) == len("2025-10-30") and end_of_day:
        when += timedelta(seconds=24 * 3600 - 1)
    try:
        return int(when.replace(tzinfo=when.tzinfo or UTC).timestamp() * 1000)
    except (OverflowError, OSError):
        raise ValueError("is out of range") from None


def _map(command: str, param: Field, groups: Mapping[str, dict[str, str]]) -> Any:
    """The groups of one map parameter as its declared type."""
    if param.element is Kind.OBJECT:
        return param.sequence(
            _entry(command, param, index, fields) for index, fields in groups.items()
        )
    if param.kind is Kind.LIST:
        return param.sequence(groups.values())
    merged: dict[str, str | None] = {}
    for index, fields in groups.items():
        if "key" in fields and not set(fields) - {"key", "value"}:
            if "value" not in fields and not param.nullable_values:
                raise missing(command, f"{param.wire}[{index}].value")
            merged[fields["key"]] = fields.get("value")
        else:
            merged |= fields
    limit: Length | None = param.mark(Length)
    at_most = limit.at_most if limit is not None else 65_535
    for key, value in merged.items():
        if not key or len(key) > PARAM_LENGTH or len(value or "") > at_most:
            raise bad_value(command, param.wire, key[:PARAM_LENGTH], "is empty or too long")
    return merged


def _entry(command: str, param: Field, index: str, fields: Mapping[str, str]) -> Any:
    """One typed group of a map; its fields are matched without case."""
    lower = {name.lower(): value for name, value in fields.items()}
    made = {}
    for inner in read(param.of):
        path = f"{param.wire}[{index}].{inner.wire}"
        raw = lower.get(inner.wire.lower())
        if raw is None or _blank(inner, raw):
            if inner.required:
                raise missing(command, path)
            continue
        made[inner.attr] = _value(command, inner, raw, path)
    return param.of(**made)


def check_ids(spec: Spec, ask: Any, caller: Caller) -> None:
    """Every id that a command names exists for this caller, who has the declared right on it."""
    for param in spec.naming:
        value = getattr(ask, param.attr)
        if value is None:
            continue
        names: Names | None = param.mark(Names)
        if names is not None:
            for one in value if param.kind is Kind.LIST else (value,):
                _check(spec, ask, caller, param.wire, names, one)
        elif param.element is Kind.OBJECT:
            for index, group in enumerate(value):
                for inner in read(param.of):
                    found, names = getattr(group, inner.attr), inner.mark(Names)
                    if names is not None and found is not None:
                        path = f"{param.wire}[{index}].{inner.wire}"
                        _check(spec, group, caller, path, names, found)


def _check(spec: Spec, ask: Any, caller: Caller, path: str, names: Names, value: Any) -> None:
    if value == EVERY and names.every:
        return
    row_id = value
    if isinstance(value, str):
        if UUID_FORM.fullmatch(value) is None:
            raise no_such_id(spec.name, path, value)
        row_id = uuid_of(value)
    cloud = caller.cloud
    for kind in _kinds(spec, ask, names):
        try:
            row = cloud.table(kind).get(row_id)
        except KeyError:
            continue
        if row is None:
            continue
        verdict = judge(caller.identity, RIGHTS[names.right], NOUNS[kind], row, cloud)
        if verdict is Verdict.NO:
            raise Denied(
                f"account {caller.identity.account} may see {kind} {value} "
                f"but may not {names.right} it"
            )
        if verdict is Verdict.YES:
            return
    raise no_such_id(spec.name, path, str(value))


def _kinds(spec: Spec, ask: Any, names: Names) -> tuple[str, ...]:
    """The nouns that an id may name; for some commands another parameter says which."""
    if isinstance(names.kind, (str, tuple)):
        return names.kinds
    word, by = str(getattr(ask, names.by) or ""), names.by.replace("_", "")
    if not word:
        raise missing(spec.name, by)
    kind = names.kind.get(word.lower())
    if kind is None:
        raise bad_value(spec.name, by, word, "names no kind of resource")
    return (kind,)
