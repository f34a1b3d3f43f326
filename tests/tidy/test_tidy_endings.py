"""Whatever an account can own has a way to end with it."""

from __future__ import annotations

import pytest

from aggregates.record import RECORDS
from api.declare import load as load_api
from engine.endings import ending_of, owned_kinds
from engine.intents.ending import ENDINGS
from engine.nouns import load
from projections.table import TABLES

load("aggregates", "projections", "engine")
load_api()


@pytest.mark.parametrize("kind", owned_kinds())
def test_an_owned_noun_says_how_it_ends(kind: str) -> None:
    said = "say it with ending(...) beside its intents: engine/intents/ending.py"
    assert ending_of(kind) is not None, f"{kind} is more than data: {said}"


@pytest.mark.parametrize("kind", sorted(set(owned_kinds()) & set(RECORDS) - set(ENDINGS)))
def test_removing_a_record_leaves_no_secret_behind(kind: str) -> None:
    sealed = [name for name in TABLES[kind].row.__struct_fields__ if name.endswith("_ref")]
    assert not sealed, f"{kind} has sealed {sealed}: end it with what shreds them, not by default"


def test_what_an_account_owns_is_known() -> None:
    assert {"vm", "volume", "network", "template", "user", "ssh_key_pair"} <= set(owned_kinds())
