"""Snapshots leave their pool as files, and in no other way."""

from __future__ import annotations

from tests.images.test_transfers import get
from tests.storage.test_snapshots import root_of, take
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import ZONE, Place


async def test_a_snapshot_is_fetched(here: Place) -> None:
    vm = await deploy(here.ann)
    snapshot = await take(here.ann, (await root_of(here.ann, vm["id"]))["id"])
    ask = {"id": snapshot["id"], "zoneid": str(ZONE)}
    link = (await here.admin.job("extractSnapshot", **ask))["snapshot"]
    status, content = await get(link["url"])
    assert (status, content.startswith(b"a simulated disk of")) == (200, True)
    assert (await here.ann.one("listSnapshots", "snapshot"))["state"] == "BackedUp"
    await here.ann.job("deleteSnapshot", id=snapshot["id"])
    assert (await get(link["url"]))[0] == 410, "what is deleted is given to nobody"


async def test_what_stays_in_its_pool(here: Place) -> None:
    vm = await deploy(here.ann)
    snapshot = await take(here.ann, (await root_of(here.ann, vm["id"]))["id"])
    told = await refusal(here.admin, "archiveSnapshot", id=snapshot["id"])
    assert "extractSnapshot" in told["errortext"]
    told = await refusal(here.ann, "copySnapshot", id=snapshot["id"], destzoneids=str(ZONE))
    assert "in that zone already" in told["errortext"]
    told = await refusal(here.ann, "copySnapshot", id=snapshot["id"])
    assert "destzoneid" in told["errortext"]
