"""A cloud that has lived a little, on SQLite and on PostgreSQL, with its server still running."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.place import Place, cloud
from tests.peers.postgres import postgres, postgres_cluster
from tests.tools.run import run_tool

__all__ = ["postgres", "postgres_cluster"]


@dataclass
class Lived:
    """`marks` are positions of the log by what had just happened; `ids` are things by name."""

    place: Place
    store: str
    marks: dict[str, int]
    ids: dict[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """What every tool is begun with."""
        return ("--home", str(self.place.server.home))

    def end(self) -> int:
        """Where its log ends now."""
        return int(self.told("replay")["events"])

    def tool(self, *words: str) -> tuple[int, str, str]:
        """Run a tool in this process: its status, what it said, and what it complained of."""
        return run_tool(*self.words, *words, *self._store)

    @property
    def _store(self) -> tuple[str, ...]:
        return ("--store", self.store) if self.store else ()

    def told(self, *words: str) -> Any:
        """What a tool says with `--json`, as one document."""
        status, out, err = self.tool(*words, "--json")
        assert status == 0, err
        return json.loads(out)

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """The same for a tool that says one document a line."""
        status, out, err = self.tool(*words)
        assert status == 0, err
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def lived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lived]:
    """`web` was deployed, stopped, and its account's `gone` came and went; `db` still runs."""
    store = ""
    if request.param == "postgres":
        store = str(request.getfixturevalue("postgres")())
    home = tmp_path_factory.mktemp("lived") / "home"
    environment = {"SAGASTACK_STORE": store} if store else {}
    with cloud(home, **environment) as place:
        lived = Lived(place, store, {}, {})
        lived.marks["built"] = lived.end()
        lived.ids["web"] = place.deploy(name="web")["id"]
        lived.marks["web"] = lived.end()
        place.api("stopVirtualMachine", id=lived.ids["web"])
        gone = place.deploy(name="gone")
        lived.ids["gone"] = gone["id"]
        place.expunge(gone)
        lived.marks["gone"] = lived.end()
        tenant = place.tenant()
        lived.ids["db"] = place.deploy(tenant, name="db")["id"]
        lived.marks["db"] = lived.end()
        yield lived
