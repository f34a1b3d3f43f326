"""Controllers tell how they are; hosts can be signed in on with another password."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException

from drivers.sim.faults import Fault
from projections.host import hosts
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import MAIN, Place, named


async def test_a_controller_tells_since_when_it_runs_and_how_far_its_log_is(here: Place) -> None:
    one = await here.admin.one("listManagementServers", "managementserver")
    assert one["state"] == "Up" and one["database"] == "SQLite"
    assert one["logposition"] == here.controller.cloud.position and one["agentscount"] == 3
    await deploy(here.ann)
    again = await here.admin.one("listManagementServers", "managementserver", id=one["id"])
    assert again["logposition"] > one["logposition"]
    assert again["lastserverstart"] == one["lastserverstart"]
    assert await here.admin("listManagementServers", name="another") == {}
    told = await here.admin.one("listManagementServersMetrics", "managementserver")
    assert one.keys() <= told.keys() and told["availableprocessors"] >= 1
    assert told["heapmemoryused"] > 10**7 and len(told["systemloadaverages"]) == 3
    await here.admin("updateConfiguration", name="host", value="192.0.2.7")
    one = await here.admin.one("listManagementServers", "managementserver")
    assert one["ipaddress"] == "192.0.2.7"


async def test_what_keeps_the_log_and_what_tells_usage_say_how_they_are(here: Place) -> None:
    found = (await here.admin("listDbMetrics"))["dbMetrics"]
    assert found["versioncomment"] == "SQLite" and found["size"] > 0
    assert found["queries"] == here.controller.cloud.position
    usage = (await here.admin("listUsageServerMetrics"))["usageMetrics"]
    assert usage["state"] == "Up"
    await here.admin("updateConfiguration", name="enable.usage.server", value="false")
    usage = (await here.admin("listUsageServerMetrics"))["usageMetrics"]
    assert usage["state"] == "Disabled"
    with pytest.raises(CloudStackApiException):
        await here.ann("listDbMetrics")


async def test_the_infrastructure_counts_what_there_is(here: Place) -> None:
    before = (await here.admin("listInfrastructure"))["infrastructure"]
    assert before["systemvms"] == (await here.admin("listSystemVms")).get("count", 0)
    await deploy(here.ann)
    await here.admin.job("generateAlert", name="look", description="here", type=14)
    after = (await here.admin("listInfrastructure"))["infrastructure"]
    assert after["routers"] == (await here.admin("listRouters", listall="true"))["count"] > 0
    assert after["alerts"] == before["alerts"] + 1


async def test_a_hosts_password_is_tried_before_the_old_one_is_forgotten(here: Place) -> None:
    host, vault = named("host 1"), here.controller.vault
    asked = {"hostid": str(host), "username": "operator"}
    await here.admin("updateHostPassword", password="first secret", **asked)
    row = here.controller.cloud[hosts][host]
    first = row.password_ref
    assert (row.username, row.state) == ("operator", "Up")
    assert await vault.get(UUID(first)) == "first secret"
    await here.admin("updateHostPassword", password="second secret", **asked)
    second = here.controller.cloud[hosts][host].password_ref
    assert await vault.get(UUID(second)) == "second secret"
    with pytest.raises(KeyError):
        await vault.get(UUID(first))
    simulator: Any = here.controller.drivers.get("Simulator")
    simulator.faults.fail("inspect", Fault.REFUSED, host="sim://tenant-h2")
    everybody = {"clusterid": str(MAIN), "username": "other", "password": "third secret"}
    with pytest.raises(CloudStackApiException):
        await here.admin("updateHostPassword", **everybody)
    row = here.controller.cloud[hosts][host]
    assert (row.username, row.password_ref) == ("operator", second), "all of them, or none"
    simulator.faults.clear()
    await here.admin("updateHostPassword", **everybody)
    assert here.controller.cloud[hosts][named("host 2")].username == "other"
    events = await here.admin("listEvents", listall="true", pagesize=-1)
    assert "third secret" not in str(events)
    for wrong in ({"update_passwd_on_host": "true"}, {"clusterid": str(MAIN)}):
        with pytest.raises(CloudStackApiException):
            await here.admin("updateHostPassword", password="x", **asked, **wrong)


async def test_no_certificate_is_given_where_none_is_needed(here: Place) -> None:
    with pytest.raises(CloudStackApiException, match="no agent that would need a certificate"):
        await here.admin("provisionCertificate", hostid=str(named("host 1")))
