"""A job is a view of a saga run, seen by those whose job it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from api.this_controller import CONTROLLER_ID
from projections.event_list import resource_type
from projections.table import TABLES
from tests.api.conftest import Served
from tests.api.fakes import NOW_MS, Run, named


def add_run(served: Served, name: str, as_who: str = "ann", **more: Any) -> str:
    run = Run(
        id=named(name),
        command=more.pop("command", "startToyDisk"),
        user_id=named(f"user {as_who}"),
        account_id=named(f"account {as_who}"),
        subject_kind="toy_disk",
        subject_id=more.pop("subject_id", named(f"disk {as_who}")),
        created_at_ms=NOW_MS,
        **more,
    )
    served.engine.cloud.add(run)
    return str(run.id)


async def query(served: Served, job: str, as_who: str = "ann") -> dict[str, Any]:
    status, body = await served.get(as_who, "queryAsyncJobResult", jobid=job)
    assert status == 200, body
    return body


async def test_a_running_job_has_no_result(served: Served) -> None:
    for state in ("Running", "Undoing"):
        body = await query(served, add_run(served, state, state=state))
        assert body == {
            "jobid": str(named(state)),
            "jobstatus": 0,
            "accountid": str(named("account ann")),
            "account": "ann",
            "domainid": str(named("/a")),
            "domainpath": "ROOT/a",
            "userid": str(named("user ann")),
            "cmd": "startToyDisk",
            "jobprocstatus": 0,
            "jobresultcode": 0,
            "jobinstancetype": "ToyDisk",
            "jobinstanceid": str(named("disk ann")),
            "jobstate": state,
            "managementserverid": str(CONTROLLER_ID),
            "created": "2025-10-30T13:51:39+0000",
        }


async def test_a_job_that_succeeded_answers_as_its_command(served: Served) -> None:
    job = add_run(served, "ok", state="Succeeded", finished_at_ms=NOW_MS + 1000)
    body = await query(served, job)
    assert (body["jobstatus"], body["jobresultcode"], body["jobresulttype"]) == (1, 0, "object")
    assert body["jobresult"]["toydisk"]["name"] == "disk ann"
    assert body["completed"] == "2025-10-30T13:51:40+0000"
    assert "capacity" not in body["jobresult"]["toydisk"]["zone"][0]


@pytest.mark.parametrize(
    "more", [{"command": "deleteToyDisk"}, {"command": "gone"}, {"subject_id": None}]
)
async def test_a_job_without_a_thing_to_show_is_a_plain_success(
    served: Served, more: dict[str, Any]
) -> None:
    body = await query(served, add_run(served, "ok", state="Succeeded", **more))
    assert body["jobresult"] == {"success": True}


async def test_a_job_whose_thing_is_gone_still_answers_with_an_object(served: Served) -> None:
    """Typed clients cannot read anything else under the command's key."""
    body = await query(served, add_run(served, "ok", state="Succeeded", subject_id=UUID(int=1)))
    assert body["jobresult"] == {"toydisk": {"id": str(UUID(int=1))}}


@pytest.mark.parametrize(
    ("error", "code"),
    [("Exhausted", 533), ("LimitReached", 532), ("NotAllowed", 431), ("Odd", 530), ("", 530)],
)
async def test_a_failed_job_says_why(served: Served, error: str, code: int) -> None:
    for state in ("Failed", "Parked"):
        job = add_run(served, state, state=state, error=error, error_text="because")
        body = await query(served, job)
        assert (body["jobstatus"], body["jobresultcode"]) == (2, code)
        assert body["jobresult"] == {"errorcode": code, "errortext": "because"}


async def test_a_bug_in_a_job_is_told_to_the_operator_alone(served: Served) -> None:
    job = add_run(served, "bug", state="Failed", error="Bug", error_text="KeyError: innards")
    assert "innards" not in str(await query(served, job))
    assert "innards" in str(await query(served, job, "root"))


@pytest.mark.parametrize(
    ("as_who", "sees"),
    [("root", 1), ("boss", 1), ("ann", 1), ("abe", 0), ("sue", 0), ("bob", 0)],
)
async def test_whose_job_it_is(served: Served, as_who: str, sees: int) -> None:
    job = add_run(served, "j")
    status, body = await served.get(as_who, "queryAsyncJobResult", jobid=job)
    assert status == (200 if sees else 431)
    assert sees or "entity does not exist" in body["errortext"]
    _, listed = await served.get(as_who, "listAsyncJobs", listall="true")
    assert listed.get("count", 0) == sees


async def test_listing_jobs(served: Served) -> None:
    add_run(served, "a", "ann")
    add_run(served, "b", "abe", command="deleteToyDisk")
    add_run(served, "s", "sue")

    async def count(as_who: str, **params: str) -> int:
        status, body = await served.get(as_who, "listAsyncJobs", **params)
        assert status == 200, body
        assert len(body.get("asyncjobs", [])) == body.get("count", 0)
        return int(body.get("count", 0))

    assert await count("boss") == 0
    assert await count("boss", listall="true") == 3
    assert await count("boss", account="abe", domainid=str(named("/a"))) == 1
    assert await count("boss", domainid=str(named("/a"))) == 2
    assert await count("boss", domainid=str(named("/a")), isrecursive="true") == 3
    assert await count("boss", listall="true", keyword="delete") == 1
    assert await count("boss", listall="true", startdate="2025-10-31") == 0
    assert await count("boss", listall="true", startdate="2025-10-30") == 3


def test_what_jobs_and_events_are_about_is_called_as_cloudstack_calls_it() -> None:
    """Its `ApiCommandResourceType`, which clients compare with; what it has not is our noun."""
    words = {kind: resource_type(kind) for kind in (*TABLES, "nic_ip")}
    assert CLOUDSTACKS <= set(words.values())
    assert {words[kind] for kind in ("public_ip_address", "nic_ip")} == {"IpAddress"}
    rules = [kind for kind in words if "firewall_rule" in kind or "forwarding_rule" in kind]
    assert len(rules) == 5 and {words[kind] for kind in rules} == {"FirewallRule"}


CLOUDSTACKS = {
    *("VirtualMachine", "DomainRouter", "Volume", "Snapshot", "Template", "SystemVm", "Host"),
    *("StoragePool", "ImageStore", "IpAddress", "SecurityGroup", "PhysicalNetwork", "TrafficType"),
    *("PhysicalNetworkServiceProvider", "FirewallRule", "Account", "User", "PrivateGateway"),
    *("LoadBalancerRule", "AffinityGroup", "GuestOs", "GuestOsMapping", "Network", "NetworkAcl"),
    *("NetworkAclItem", "Project", "Domain", "DiskOffering", "ServiceOffering", "VpcOffering"),
    *("NetworkOffering", "Zone", "StaticRoute", "Vpc", "VmSnapshot"),
}
