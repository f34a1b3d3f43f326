"""schemathesis reads our own document and asks a real server by it: both say the same.

Every operation gets a few signed requests, reads first. Each answer has a status that the document
declares and the form that it promises, nothing more and nothing less, and none is a surprise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from cs import CloudStackApiException
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.declare import REGISTRY, Names, load
from tests.api.everybody import toy
from tests.api.signing import sign
from tests.api.test_hostile import LOCKS_OUT
from tests.e2e.place import Place, cloud

pytestmark = pytest.mark.timeout(600)

EXAMPLES = 3
BUDGET_S = 45.0
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with cloud(tmp_path_factory.mktemp("schema") / "home") as one:
        yield one


def strict(schema: Any) -> Any:
    """The same document, in which an answer may have no field that it does not name."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


class Asker:
    """Sends cases as a client would: lists with commas, real ids now and then, signed."""

    def __init__(self, place: Place) -> None:
        self.api, self.base = place.api, place.server.base
        self.things = dict[str, str]()
        self.session = requests.Session()
        self.asked = 0
        self.statuses: dict[int, int] = {}
        for spec in load().values():
            plan = getattr(spec.cls, "PLAN", None)
            if toy(spec) or plan is None or any(param.required for param in spec.params):
                continue
            with suppress(CloudStackApiException):  # what is switched off has no rows
                rows = self.api(spec.name).get(spec.key, ())
                if rows and "id" in rows[0]:
                    self.things[plan.kind] = str(rows[0]["id"])

    def ask(self, case: Any) -> None:
        """Send one case, and hold the answer to the document."""
        name = case.operation.path.rpartition("/")[2]
        case.query = self.signed(name, dict(case.query or {}))
        case.headers, case.cookies = {}, {}
        answer = case.call(base_url=self.base, session=self.session)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        assert "Internal error" not in answer.text, answer.text
        case.validate_response(answer, checks=CHECKS)

    def signed(self, name: str, query: dict[str, Any]) -> dict[str, str]:
        """The query of a case as a client writes it, under the administrator's key."""
        for auth in ("apiKey", "signature", "sessionkey", "JSESSIONID"):
            query.pop(auth, None)
        said = {wire: _text(value) for wire, value in query.items()}
        self.asked += 1
        if self.asked % 2:  # what must be given, alone, gets further
            required = {param.wire for param in REGISTRY[name].params if param.required}
            said = {wire: value for wire, value in said.items() if wire in required | {"dryrun"}}
        for number, param in enumerate(REGISTRY[name].params):
            names: Names | None = param.mark(Names)
            if names is not None and (param.required or (param.wire in said and number % 2)):
                said[param.wire] = self.things.get(names.kinds[0], said.get(param.wire, ""))
        said["response"] = "json"
        said["apiKey"] = self.api.key
        full = said | {"command": name}
        return said | {"signature": sign(full, self.api.secret)}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_text, value)) if isinstance(value, list) else str(value)


def few(operation: Any, asker: Asker) -> None:
    """A few cases of one operation, the same each time."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        asker.ask(case)

    ask()


def test_the_document_and_the_server_agree(place: Place) -> None:
    document = requests.get(f"{place.server.base}/openapi.json", timeout=60).json()
    schema = schemathesis.openapi.from_dict(strict(document))
    asker, end = Asker(place), time.monotonic() + BUDGET_S
    found: Any = schema.get_all_operations()
    operations = [one.ok() for one in found]
    operations.sort(key=lambda one: (one.method != "get", one.path))
    wrong = []
    for operation in operations:
        if LOCKS_OUT.search(operation.path) or time.monotonic() > end:
            continue

        try:
            few(operation, asker)
        except (AssertionError, BaseExceptionGroup) as found:
            wrong.append(f"{operation.path}: {found} {getattr(found, 'exceptions', '')}")
    assert not wrong, "\n".join(wrong)
    assert asker.statuses[200] > 50, asker.statuses
