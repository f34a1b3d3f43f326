"""listApis, generated: what it says is what the parser enforces, because both read the registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from api.authz import may_call
from api.caller import Identity
from api.declare import REGISTRY, Spec, Success, View, view
from api.fields import Bound, Field, Kind, Length, Wire
from api.render import field_type


@view
class ParamView(View, kw_only=True):
    """A parameter of a command."""

    name: Annotated[str, "its name on the wire"]
    description: Annotated[str, "what it says"]
    type: Annotated[str, "uuid, string, integer, boolean, float, date, list or map"]
    length: Annotated[int | None, "how many characters it may have"] = None
    required: Annotated[bool, "whether it must be given"]
    since: Annotated[str | None, "the version that brought it"] = None
    related: Annotated[str | None, "commands that list what it names"] = None


@view
class InnerFieldView(View, kw_only=True):
    """A field of a view within an answer."""

    name: Annotated[str, "its name on the wire"]
    description: Annotated[str, "what it says"]
    type: Annotated[str, "the type of its value"]


@view
class FieldView(View, kw_only=True):
    """A field of an answer."""

    name: Annotated[str, "its name on the wire"]
    description: Annotated[str, "what it says"]
    type: Annotated[str, "the type of its value"]
    response: Annotated[list[InnerFieldView] | None, "the fields within it"] = None


@view
class ApiView(View, kw_only=True):
    """A command that the caller may use."""

    name: Annotated[str, "the command"]
    description: Annotated[str, "what it does"]
    since: Annotated[str | None, "the version that brought it"] = None
    is_async: Annotated[bool, "whether it answers with a job"]
    related: Annotated[str, "commands that answer alike"]
    params: Annotated[list[ParamView], "what it takes"]
    response: Annotated[list[FieldView], "what it answers"]


# What the kernel itself takes of every command that changes something, beside its own parameters.
SHARED = (
    ParamView(
        name="dryrun",
        description="true: change nothing, and say what would be done or why not",
        type="boolean",
        required=False,
    ),
    ParamView(
        name="idempotencykey",
        description="a repeat with the same key is answered like the first and done once",
        type="string",
        length=255,
        required=False,
    ),
)


# And of every list.
OF_THE_PAST = ParamView(
    name="asof",
    description="answer as of this time in the past",
    type="date",
    required=False,
)


def shared_params(spec: Spec) -> tuple[ParamView, ...]:
    """What the kernel takes of this command beside its own parameters."""
    if spec.of_any_time:
        return (OF_THE_PAST,)
    return () if spec.reads else SHARED


def open_to(caller: Identity) -> Iterator[Spec]:
    """The commands that this caller's role may call, by name."""
    return (spec for _, spec in sorted(REGISTRY.items()) if may_call(caller, spec))


def describe(spec: Spec, role_type: str) -> ApiView:
    """One command as listApis shows it to a role type."""
    params = [describe_param(one) for one in spec.params if one.open_to(role_type)]
    return ApiView(
        name=spec.name,
        description=spec.doc.partition("\n")[0],
        since=spec.since,
        is_async=spec.is_async,
        related=",".join(related(spec)),
        params=[*params, *shared_params(spec)],
        response=describe_fields(spec.returns, role_type),
    )


def related(spec: Spec) -> list[str]:
    """The other commands that answer with the same view."""
    if spec.returns is Success:
        return []
    return sorted(
        one.name
        for one in REGISTRY.values()
        if one.returns is spec.returns and one.name != spec.name
    )


def param_type(param: Field) -> str:
    """The type word of a parameter; groups of fields are a map however they are declared."""
    if param.element in (Kind.OBJECT, Kind.MAP):
        return Kind.MAP.value
    return param.wire_type


def describe_param(param: Field) -> ParamView:
    """One parameter: its name, sentence, type, length and whether it must be given."""
    length: Length | None = param.mark(Length)
    over: Wire | None = param.mark(Wire)
    text = param.kind is Kind.STRING
    return ParamView(
        name=param.wire,
        description=param.doc,
        type=param_type(param),
        required=param.required,
        length=(255 if length is None else length.at_most) if text else None,
        since=None if over is None or not over.since else over.since,
    )


def describe_fields(shown: type[View], role_type: str) -> list[FieldView]:
    """The fields of an answer, and one level of those within them."""
    made = []
    for field in shown.FIELDS:
        if not field.open_to(role_type):
            continue
        inner = None
        if field in shown.NESTED:
            inner = [
                InnerFieldView(name=one.wire, description=one.doc, type=word_of(one))
                for one in (field.of.FIELDS if issubclass(field.of, View) else ())
                if one.open_to(role_type)
            ]
        made.append(
            FieldView(name=field.wire, description=field.doc, type=word_of(field), response=inner)
        )
    return made


def word_of(field: Field) -> str:
    """The type word of a field of an answer."""
    over: Wire | None = field.mark(Wire)
    return over.type if over is not None and over.type else field_type(field.kind)


def bounds(param: Field) -> tuple[float | None, float | None]:
    """The smallest and the largest number that a parameter takes."""
    bound: Bound | None = param.mark(Bound)
    return (None, None) if bound is None else (bound.at_least, bound.at_most)
