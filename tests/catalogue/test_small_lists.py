"""Lists that clients ask for in passing: well formed, though there is little in them."""

from __future__ import annotations

from tests.catalogue.server import Api


async def test_what_there_is_none_of_is_an_empty_list(api: Api) -> None:
    assert await api("listIsos", isofilter="all") == {}
    assert await api("listTags", resourcetype="UserVm") == {}


async def test_nothing_is_limited(api: Api) -> None:
    found = await api("listResourceLimits")
    assert found["count"] == 17
    assert {one["max"] for one in found["resourcelimit"]} == {-1}
    one = (await api("listResourceLimits", resourcetype=0))["resourcelimit"][0]
    assert (one["resourcetypename"], one["account"]) == ("user_vm", "admin")
