"""The published topics as an AsyncAPI 3.0 document: addresses, keys, headers and every message.

Payloads are not repeated: each message names its JSON Schema, which lies beside the document, as
`sagastack schemas` writes them and as every controller serves them below `/schemas/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.schemas import Schema, schemas

DOCUMENT = "asyncapi.json"
PREFIX = "sagastack"
_BINDING = "0.5.0"
_FORMAT = "application/schema+json;version=draft-2020-12"
_COUNTED = {"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}
HEADERS: Schema = {
    "content-type": {"const": "application/json"},
    "ce_specversion": {"const": "1.0"},
    "ce_id": {"type": "string", "description": "<stream>/<version>: the same at every delivery"},
    "ce_source": {"type": "string", "description": "/sagastack/<id of the cloud>"},
    "ce_type": {"type": "string", "description": "the event's topic, such as vm.started"},
    "ce_subject": {"type": "string", "format": "uuid", "description": "the stream, as the key"},
    "ce_time": {"type": "string", "format": "date-time"},
    "ce_dataschema": {"type": "string", "description": "the $id of the value's JSON Schema"},
    "ce_position": {**_COUNTED, "description": "the place in the whole log; may have holes"},
    "ce_previous": {**_COUNTED, "description": "the position before it; 0 for the first event"},
    "ce_version": {**_COUNTED, "description": "the place in its own stream: 1, 2, 3 and so on"},
}
ABOUT = """\
Every change of a cloud, as it was written to its log. All events of one stream (one guest, one
volume, one job) share a key and so lie in one partition, in order. Across partitions, ce_previous
says which position comes before: that is the order of the whole log.

A record is published once, in a transaction: read with isolation.level=read_committed. The value
is exactly what the log holds, so seals can be verified from these records alone. Keep ce_id of what
was handled: it makes a repeated delivery harmless. Records stay for ever."""


def document(
    prefix: str = PREFIX, published: Mapping[tuple[str, int], Schema] | None = None
) -> dict[str, Any]:
    """The document for a cloud whose Kafka topics begin with `prefix`."""
    told = schemas() if published is None else published
    messages = {f"{topic}.v{shape}": message(one) for (topic, shape), one in told.items()}
    address = f"{prefix}.events"
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sagastack's log",
            "version": "1",
            "description": "What happens in a cloud, told to other systems through Kafka.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": address,
                "title": "The log",
                "description": ABOUT,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"kafka": {"topic": address, "bindingVersion": _BINDING}},
            }
        },
        "operations": {
            "publishEvents": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "The relay publishes each row of the log once, in the log's order.",
            }
        },
        "components": {"messages": messages, "messageTraits": {"cloudEvent": trait()}},
    }


def trait() -> dict[str, Any]:
    """What all messages share: the headers of CloudEvents' binary mode, and the key."""
    key = {"type": "string", "format": "uuid", "description": "the id of the stream"}
    return {
        "contentType": "application/json",
        "headers": {"type": "object", "properties": HEADERS, "required": list(HEADERS)},
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }


def message(told: Schema) -> dict[str, Any]:
    """One topic and shape; `told` is its schema."""
    file = told["$id"].rpartition("/")[2]
    about = told.get("description", "").partition("\n")[0]
    return {
        "name": told["title"],
        "title": file.removesuffix(".json"),
        **({"summary": about} if about else {}),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": f"./{file}"}},
    }
