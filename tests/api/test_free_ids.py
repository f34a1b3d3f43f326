"""The ids that no declaration guards: each names nothing, or is looked for and found by its own.

`Free` takes an id out of the matrix of rights. So each is listed here, and those that do lead to
something are really asked for by everybody whose business it is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.declare import load
from api.fields import Field, Free, Idle, Kind, Later, read
from tests.api.everybody import House, commands, house
from tests.api.personas import settle
from tests.api.rule_table import PERSONAS, letter, rule
from tests.tenant.world import named

pytestmark = pytest.mark.timeout(300)

NAME_NOTHING = {
    "a number": ("attachVolume.deviceid", "detachVolume.deviceid", "listResourceLimits.id"),
    "an id for what is made": (
        "createAccount.accountid",
        "createAccount.userid",
        "createDomain.domainid",
        "createUser.userid",
        "createVolume.customid",
        "deployVirtualMachine.customid",
    ),
    "not read, or refused": (
        "createDiskOffering.storagepolicy",
        "getUploadParamsForVolume.imagestoreuuid",
        "listVirtualMachines.backupofferingid",
        "listVirtualMachinesMetrics.backupofferingid",
        "notifyBaremetalProvisionDone.mac",
        "registerIso.imagestoreuuid",
        "updateVirtualMachine.customid",
        "updateVolume.customid",
        "uploadVolume.imagestoreuuid",
    ),
    "a name that a host gives": (
        "importUnmanagedInstance.datadiskofferinglist[].disk",
        "importUnmanagedInstance.nicipaddresslist[].nic",
        "importUnmanagedInstance.nicnetworklist[].nic",
    ),
    "a root administrator's": (
        "deleteRolePermission.id",
        "mendAsyncJob.jobid",
        "updateNetworkOffering.domainid",
        "updateNetworkOffering.zoneid",
        "updateRolePermission.ruleid",
        "updateRolePermission.ruleorder",
        "updateVPCOffering.domainid",
        "updateVPCOffering.zoneid",
    ),
    "part of what another id names": (
        "deleteUserFromProject.userid",
        "deployVirtualMachine.datadiskofferinglist[].datadisktemplateid",
        "deployVirtualMachine.nicnetworklist[].nic",
        "listProjectAccounts.userid",
        "updateProject.userid",
        "updateProjectRolePermission.ruleorder",
    ),
    "narrows what the scope leaves": (
        "listProjectInvitations.userid",
        "listAsyncJobs.managementserverid",
        "listAsyncJobs.resourceid",
        "listHosts.managementserverid",
        "listHostsMetrics.managementserverid",
        "listManagementServers.id",
        "listManagementServersMetrics.id",
        "listUsageRecords.usageid",
        "listEvents.startid",
        "updateProjectInvitation.projectid",
        "updateProjectInvitation.userid",
    ),
    "a free address of a range": ("reserveIpAddress.id",),
}
# What leads to something: with what of ann's a stranger tries it, and what it sends besides.
TRIED: dict[str, tuple[str, dict[str, str]]] = {
    "archiveEvents.ids": ("event", {}),
    "cancelAsyncJob.jobid": ("job", {}),
    "deleteEvents.ids": ("event", {}),
    "deleteProjectInvitation.id": ("invitation", {}),
    "deleteProjectRolePermission.id": ("permission", {"projectid": "own project"}),
    "deleteUserKey.id": ("key", {}),
    "listEvents.id": ("event", {"listall": "=true"}),
    "listEvents.resourceid": ("vm", {"listall": "=true"}),
    "listJobSteps.jobid": ("job", {}),
    "listTags.resourceid": ("vm", {"listall": "=true"}),
    "listUserKeys.id": ("key", {"listall": "=true"}),
    "listUserKeys.ids": ("key", {"listall": "=true"}),
    "queryAsyncJobResult.jobid": ("job", {}),
    "updateDiskOffering.domainid": ("domain", {"id": "own offering"}),
    "updateDiskOffering.zoneid": ("vm", {"id": "own offering"}),
    "updateProjectRolePermission.projectrolepermissionid": (
        "permission",
        {"projectid": "own project", "projectroleid": "own role", "permission": "=deny"},
    ),
    "updateServiceOffering.domainid": ("domain", {"id": "own size"}),
    "updateServiceOffering.zoneid": ("vm", {"id": "own size"}),
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        await settle(one)
        yield one


def free_ids() -> set[str]:
    """Every id of every command that says that it guards nothing, and is read."""
    found = set()
    load()
    for spec in commands():
        for param in spec.params:
            if _is_free(param):
                found.add(f"{spec.name}.{param.wire}")
            for inner in read(param.of) if param.element is Kind.OBJECT else ():
                if _is_free(inner):
                    found.add(f"{spec.name}.{param.wire}[].{inner.wire}")
    return found


def _is_free(param: Field) -> bool:
    return isinstance(param.mark(Free), Free) and not isinstance(param.mark(Free), Later | Idle)


def test_each_is_known() -> None:
    known = {one for several in NAME_NOTHING.values() for one in several} | set(TRIED)
    assert free_ids() == known


async def _hers(here: House) -> dict[str, str]:
    """Things of ann's that strangers try."""
    ann = named("account ann")
    team = next(row for row in here.cloud.table("project") if row.name == "team")
    role = next(iter(here.cloud.table("project_role")))
    asked = {"projectid": str(team.id), "projectroleid": str(role.id)}
    rule = {"rule": "listZones", "permission": "allow"}
    made = await here.make("ann", "createProjectRolePermission", **asked, **rule)
    events = await here.make("ann", "listEvents")
    runs = (row for row in here.cloud.table("saga") if row.account_id == ann)
    return {
        "permission": str(made["projectrolepermission"]["id"]),
        "event": str(events["event"][0]["id"]),
        "job": str(next(runs).id),
        "key": str(named("key ann")),
        "vm": str(here.thing("vm")),
        "domain": str(named("domain ann")),
        "invitation": str(named("invitation")),
    }


async def _own(here: House, who: str) -> dict[str, str]:
    """What a stranger needs to get as far as the id that is tried."""
    made = await here.make(who, "createProject", name=f"of {who}")
    role = await here.make(who, "createProjectRole", name="r", projectid=made["id"])
    own = {"own project": str(made["id"]), "own role": str(role["projectrole"]["id"])}
    if letter(who) == "D":
        disk = {"name": f"of {who}", "displaytext": "x", "disksize": "1"}
        made = await here.make(who, "createDiskOffering", **disk)
        own["own offering"] = str(made["diskoffering"]["id"])
        size = {"cpunumber": "1", "cpuspeed": "500", "memory": "512"}
        name = {"name": f"of {who}", "displaytext": "x"}
        made = await here.make(who, "createServiceOffering", **name, **size)
        own["own size"] = str(made["serviceoffering"]["id"])
    return own


async def test_strangers_find_nothing(here: House) -> None:
    """Refused or shown nothing, in words that say nothing, and the log stays where it was."""
    hers, wrong, specs = await _hers(here), [], {spec.name: spec for spec in commands()}
    strangers = [who for who in PERSONAS if rule("vm", "owned", "operate", who) == "-"]
    for who in strangers:
        own = await _own(here, who)
        before = here.position
        for spot, (what, more) in TRIED.items():
            command, _, wire = spot.partition(".")
            if letter(who) not in specs[command].allow:
                continue
            sent = {k: v[1:] if v.startswith("=") else own[v] for k, v in more.items()}
            status, told = await here.ask(who, command, sent | {wire: hers[what]})
            count: Any = told.get("count", 0)
            if status == 200 and (count or not specs[command].reads):
                wrong.append(f"{who}: {spot}: {told}")
            if here.position != before:
                wrong.append(f"{who}: {spot} wrote to the log")
                before = here.position
            _, never = await here.ask(who, command, sent | {wire: str(named("never"))})
            if str(told).replace(hers[what], "") != str(never).replace(str(named("never")), ""):
                wrong.append(f"{who}: {spot} tells that it is there: {told} and not {never}")
    assert not wrong, "\n".join(wrong)
