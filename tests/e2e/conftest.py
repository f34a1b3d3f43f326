"""One server for all tests that leave it as they found it; the others start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.place import Place, cloud


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with cloud(tmp_path_factory.mktemp("e2e") / "home") as one:
        yield one
