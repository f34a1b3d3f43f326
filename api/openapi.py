"""The registry as an OpenAPI 3.1 document.

OpenAPI knows paths, not a `command` parameter, so each command is shown at the alias path
`/client/api/<command>`, which the server really answers. Every answer is JSON under one envelope.
"""

from __future__ import annotations

from typing import Any

from api.declare import REGISTRY, Spec, View
from api.fields import Field, Kind, Length, OneOf
from api.listapis import bounds, shared_params

SCALARS: dict[Kind, dict[str, Any]] = {
    Kind.UUID: {"type": "string", "format": "uuid"},
    Kind.STRING: {"type": "string"},
    Kind.INTEGER: {"type": "integer", "format": "int64"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.FLOAT: {"type": "number"},
    Kind.DATE: {"type": "string"},
    Kind.MAP: {"type": "object", "additionalProperties": {"type": "string"}},
}
SHARED_TYPES = {"boolean": "boolean", "string": "string", "date": "string"}
REFUSAL = {"$ref": "#/components/responses/Refusal"}


def document(version: str) -> dict[str, Any]:
    """The whole document for everything that is registered."""
    specs = [spec for _, spec in sorted(REGISTRY.items())]
    views: dict[str, type[View]] = {}
    for spec in specs:
        _collect(spec.returns, views)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sagastack",
            "version": version,
            "description": "A cloud controller that speaks CloudStack's query API.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"apiKey": [], "signature": []}, {"session": [], "sessionKey": []}],
        "paths": {f"/client/api/{spec.name}": _path(spec) for spec in specs},
        "components": {
            "schemas": {"DryRun": DRY_RUN}
            | {name: _schema(made) for name, made in sorted(views.items())},
            "responses": {"Refusal": _refusal()},
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "query", "name": "apiKey"},
                "signature": {"type": "apiKey", "in": "query", "name": "signature"},
                "session": {"type": "apiKey", "in": "cookie", "name": "JSESSIONID"},
                "sessionKey": {"type": "apiKey", "in": "query", "name": "sessionkey"},
            },
        },
    }


def _collect(made: type[View], views: dict[str, type[View]]) -> None:
    """This view and every view within it."""
    if made.__name__ in views:
        return
    views[made.__name__] = made
    for field in made.NESTED:
        if issubclass(field.of, View):
            _collect(field.of, views)


def _path(spec: Spec) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": spec.name,
        "summary": spec.doc.partition("\n")[0],
        "description": spec.doc,
        "parameters": [_parameter(param) for param in spec.params],
        "responses": {"200": _answer(spec), "4XX": REFUSAL, "5XX": REFUSAL},
    }
    if spec.public:
        operation["security"] = []
    for shared in shared_params(spec):
        operation["parameters"].append(
            {
                "name": shared.name,
                "in": "query",
                "description": shared.description,
                "schema": {"type": SHARED_TYPES[shared.type]},
            }
        )
    response = {
        "name": "response",
        "in": "query",
        "required": True,
        "schema": {"type": "string", "enum": ["json"]},
    }
    operation["parameters"].append(response)
    return {"get" if spec.reads else "post": operation}


def _parameter(param: Field) -> dict[str, Any]:
    """One parameter. A map is sent as `name[0].field=value`, which no style of OpenAPI says."""
    made: dict[str, Any] = {
        "name": param.wire,
        "in": "query",
        "description": param.doc,
        "required": param.required,
        "schema": _param_schema(param),
    }
    if param.kind is Kind.LIST:
        made |= {"style": "form", "explode": False}
    if param.kind is Kind.MAP or param.element in (Kind.OBJECT, Kind.MAP):
        made["name"] = f"{param.wire}[0].key"
        made["description"] += f" (sent as {param.wire}[i].field=value)"
        made["schema"] = {"type": "string"}
    return made


def _param_schema(param: Field) -> dict[str, Any]:
    if param.kind is Kind.LIST:
        return {"type": "array", "items": SCALARS.get(param.element or Kind.STRING, {})}
    made = dict(SCALARS[param.kind])
    if param.kind is Kind.STRING:
        made["maxLength"] = getattr(param.mark(Length), "at_most", 255)
        words: OneOf | None = param.mark(OneOf)
        if words is not None:
            made["enum"] = list(words.words.values())
        elif param.of is not None:
            made["enum"] = [str(word.value) for word in param.of]
    low, high = bounds(param)
    made |= {} if low is None else {"minimum": low}
    return made | ({} if high is None else {"maximum": high})


def _schema(made: type[View]) -> dict[str, Any]:
    """A view as a schema."""
    return {
        "type": "object",
        "description": (made.__doc__ or "").partition("\n")[0],
        "properties": {field.wire: _field_schema(field) for field in made.FIELDS},
        "required": [field.wire for field in made.FIELDS if field.required],
    }


def _field_schema(field: Field) -> dict[str, Any]:
    kind = field.element if field.kind is Kind.LIST else field.kind
    if kind is Kind.OBJECT and issubclass(field.of, View):
        inner: dict[str, Any] = {"$ref": f"#/components/schemas/{field.of.__name__}"}
    elif kind is Kind.MAP:
        inner = {"type": "object"}
    else:
        inner = dict(SCALARS.get(kind or Kind.STRING, {"type": "object"}))
    made = {"type": "array", "items": inner} if field.kind is Kind.LIST else inner
    return made | {"description": field.doc}


def _answer(spec: Spec) -> dict[str, Any]:
    """What is under the envelope; asked with dryrun, what changes something says its plan."""
    ref = {"$ref": f"#/components/schemas/{spec.returns.__name__}"}
    if spec.is_async:
        ids = {"jobid": SCALARS[Kind.UUID]} | ({"id": SCALARS[Kind.UUID]} if spec.creates else {})
        inner: dict[str, Any] = _object(ids, "jobid")
    elif spec.shape == "list":
        inner = _object({"count": {"type": "integer"}, spec.key: {"type": "array", "items": ref}})
    elif spec.shape == "object":
        inner = _object({spec.key: ref}, spec.key)
    else:
        inner = ref
    if not (spec.reads or spec.public):
        inner = {"anyOf": [inner, {"$ref": "#/components/schemas/DryRun"}]}
    content = {"application/json": {"schema": _object({spec.envelope: inner}, spec.envelope)}}
    return {"description": "what was asked for", "content": content}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties}
    return made | ({"required": list(required)} if required else {})


DRY_RUN = _object(
    {
        "dryrun": {"type": "boolean"},
        "success": {"type": "boolean"},
        "plan": {"type": "array", "items": {"type": "string"}},
    },
    "dryrun",
    "plan",
)


def _refusal() -> dict[str, Any]:
    inner = _object(
        {
            "uuidList": {"type": "array", "items": {"type": "object"}},
            "errorcode": {"type": "integer"},
            "cserrorcode": {"type": "integer"},
            "errortext": {"type": "string"},
        },
        "uuidList",
        "errorcode",
        "errortext",
    )
    schema = {"type": "object", "additionalProperties": inner, "minProperties": 1}
    content = {"application/json": {"schema": schema}}
    return {"description": "what was refused, and why", "content": content}
