"""The index of names gives what a scan would, whatever happened to the rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from aggregates.base import Recorded
from aggregates.vm import VmCreated, VmExpunged, VmUpdated
from projections.table import Table
from projections.vm import Vm, vms
from tests.api.fakes import named

NAMES = ("web", "WEB", "Straße", "STRASSE", "db", "")
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["create", "rename", "remove", "restore"]),
        st.integers(0, 3),
        st.sampled_from(NAMES),
    ),
    max_size=30,
)


def created(name: str) -> VmCreated:
    ids: dict[str, Any] = {
        f"{one}_id": named(one) for one in ("account", "domain", "zone", "template")
    }
    more: dict[str, Any] = {"user_data": "", "key_pairs": [], "host_tags": [], "details": {}}
    more |= {"service_offering_id": named("offering"), "user_id": None, "nics": []}
    more |= {"hypervisor": "Simulator", "instance_name": "", "display_name": ""}
    return VmCreated(
        name=name, cpu_count=1, cpu_mhz=1, memory_mib=1, is_displayed=True, **ids, **more
    )


@given(HAPPENINGS)
def test_it_equals_a_scan(happenings: list[tuple[str, int, str]]) -> None:
    table: Table[Vm] = Table(vms)
    position = 0
    for what, number, name in happenings:
        row_id = named(f"vm {number}")
        row = table.get(row_id)
        event: Any = None
        if what == "restore":
            encoded, table = table.encode(), Table(vms)
            table.restore(encoded)
        elif what == "create" and row is None:
            event = created(name)
        elif what == "rename" and row is not None:
            event = renamed(row, name)
        elif what == "remove" and row is not None:
            event = VmExpunged()
        if event is not None:
            position += 1
            table.fold(happened(row_id, position, event))
    for name in NAMES:
        scanned = {row.id for row in table if row.name.casefold() == name.casefold()}
        assert {row.id for row in table.by_text("name", name)} == scanned
        assert {row.id for row in table.by("name", name)} == {r.id for r in table if r.name == name}


def renamed(row: Vm, name: str) -> VmUpdated:
    kept = {field: getattr(row, field) for field in VmUpdated.__struct_fields__}
    return VmUpdated(**(kept | {"name": name}))


def happened(row_id: UUID, position: int, event: Any) -> Recorded:
    return Recorded(position=position, stream=row_id, version=position, at_ms=0, event=event)
