"""Regions over the wire."""

from __future__ import annotations

from tests.tenant.test_refusals import refusal
from tests.tenant.world import Place


async def test_regions_are_told_of(here: Place) -> None:
    only = await here.ann.one("listRegions", "region")
    assert (only["id"], only["name"]) == (1, "Local")
    far = {"id": 2, "name": "Far", "endpoint": "http://192.0.2.9:8080/client/api"}
    made = await here.admin("addRegion", **far)
    assert made["region"]["name"] == "Far"
    for more, told in (
        ({}, "already exists"),
        ({"id": 3}, "already exists"),
        ({"id": 3, "name": "x", "endpoint": "nowhere"}, "no URL"),
        ({"id": 0}, "at least 1"),
    ):
        error = await refusal(here.admin, "addRegion", **(far | more))
        assert told in error["errortext"], error
    told_anew = await here.admin("updateRegion", id=2, name="Farther")
    assert told_anew["region"]["endpoint"] == far["endpoint"]
    assert (await here.ann.one("listRegions", "region", id=2))["name"] == "Farther"
    await here.admin("removeRegion", id=2)
    error = await refusal(here.admin, "removeRegion", id=2)
    assert "there is no region 2" in error["errortext"]
    error = await refusal(here.admin, "removeRegion", id=1)
    assert "this controller's own" in error["errortext"]
