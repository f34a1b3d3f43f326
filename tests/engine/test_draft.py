"""A draft shows rows as they will be; those of the cloud stay as they are until it is committed."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import asdict

from aggregates.base import Recorded
from aggregates.vm import VmLeased
from engine.draft import Draft
from projections.cloud import Cloud
from projections.vm import vms
from tests.engine.test_cold_rows import made

VM = UUID(int=9)


def test_a_row_of_a_draft_shares_nothing_with_that_of_the_cloud() -> None:
    cloud = Cloud()
    cloud.fold([Recorded(position=1, stream=VM, version=1, at_ms=5, event=made(3))])
    row = cloud[vms][VM]
    before, draft = asdict(row), Draft(cloud)
    assert draft.row(vms, VM) is row, "nothing is changed yet"
    draft.change(row, VmLeased(lease_ends_at_ms=7, lease_action="STOP"))
    seen = draft.row(vms, VM)
    assert seen.lease_ends_at_ms == 7 and asdict(row) == before
    assert asdict(seen) == before | {"lease_ends_at_ms": 7, "lease_action": "STOP"}
    assert row.nics and all(a is not b for a, b in zip(seen.nics, row.nics, strict=True))
    assert seen.details is not row.details and seen.host_tags is not row.host_tags
    assert draft.row(vms, VM) is seen, "and it is made once"
