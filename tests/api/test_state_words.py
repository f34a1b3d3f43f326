"""Who asks a list for a state that there is not is told so, and not that there is nothing."""

from __future__ import annotations

import pytest

from api.declare import OneOf, Spec
from api.errors import ParamError
from api.parse import parse
from sagastack.boot import load_nouns
from tests.api.everybody import commands

STATES = ("state", "allocation_state", "managed_state", "resource_state")
# One word each, which is all that there is; or there is nothing at all.
SINGLE = {
    "listPrivateGateways",
    "listStaticRoutes",
    "listIpv6FirewallRules",
    "listKubernetesClusters",
}


def asked_by() -> list[tuple[Spec, str]]:
    load_nouns()
    return [
        (spec, field.wire)
        for spec in commands()
        for field in spec.params
        if spec.shape == "list" and spec.reads and field.attr in STATES and spec.name not in SINGLE
    ]


@pytest.mark.parametrize(
    ("spec", "wire"), asked_by(), ids=lambda one: getattr(one, "name", str(one))
)
def test_a_state_that_is_none_is_refused(spec: Spec, wire: str) -> None:
    (field,) = (one for one in spec.params if one.wire == wire)
    words = field.mark(OneOf)
    assert words is not None, f"{spec.name} takes any text as {wire}: api/commands/state_words.py"
    with pytest.raises(ParamError, match="must be one of"):
        parse(spec, {wire: "nonsense"}, "Admin")
