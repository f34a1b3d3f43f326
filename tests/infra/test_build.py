"""The zone-building sequence of CloudStack's deployment tool, and what can be read after it."""

from __future__ import annotations

from tests.infra.build import data_center
from tests.infra.server import Api


async def test_a_zone_is_built_in_the_order_of_the_deployment_tool(api: Api) -> None:
    built = await data_center(api)

    zone = (await api("listZones", id=built.zone))["zone"][0]
    assert (zone["allocationstate"], zone["networktype"]) == ("Enabled", "Advanced")
    hosts = (await api("listHosts", zoneid=built.zone, type="Routing"))["host"]
    assert [(one["state"], one["resourcestate"]) for one in hosts] == [("Up", "Enabled")] * 4
    assert {one["id"] for one in hosts} == set(built.hosts)
    pools = (await api("listStoragePools", zoneid=built.zone))["storagepool"]
    assert {(one["state"], one["type"]) for one in pools} == {("Up", "NetworkFilesystem")}
