"""The label of a network that the API keeps for a kind of host is the one that its guests get."""

from __future__ import annotations

from api.views.traffic_type import LABELS
from engine.drivers import folders
from engine.traffic_labels import LABEL_OF

# Kinds whose guests are on networks of their own making, or on a wire that is there.
WITHOUT = {"simulator", "baremetal", "openstack"}


def test_each_kind_looks_its_label_up_where_it_is_kept() -> None:
    kinds = {kind.lower() for one in folders() for kind in one.kinds} - WITHOUT
    assert {LABEL_OF.get(kind, kind) for kind in kinds} == set(LABELS.values())
