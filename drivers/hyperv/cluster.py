"""Failover clusters: which nodes there are, and guests as roles of the cluster.

A guest on a node is made a role, so that the cluster knows it and moves it when it must; where it
is then found is for the controller to see. Not to be a cluster is an answer, not an error.
"""

from __future__ import annotations

from uuid import UUID

from drivers.contract.errors import Refused
from drivers.hyperv import errors
from drivers.hyperv.client import Client
from drivers.hyperv.words import ask, cmd, do

MOVE_S = 600


async def name(client: Client) -> str:
    """The cluster's name, or nothing: also where the cluster's commands are not installed."""
    found = ask(cmd("Get-Cluster", quiet=True), properties=("Name",))
    try:
        told = await client.ask(found, doing="look for a cluster")
    except Refused as refused:
        cause = refused.__cause__
        if isinstance(cause, errors.CommandFailed) and errors.is_unclustered(cause):
            return ""
        raise
    return str(told[0][0]["Name"]) if told[0] else ""


async def nodes(client: Client) -> list[str]:
    """The nodes' names; none if the host is alone."""
    if not await name(client):
        return []
    found = ask(cmd("Get-ClusterNode"), properties=("Name", "State"))
    told = await client.ask(found, doing="look at the cluster's nodes")
    return [str(one["Name"]) for one in told[0]]


async def add_role(client: Client, guest_id: UUID, vm_id: str) -> None:
    doing = f"make guest {guest_id} a role of the cluster"
    try:
        await client.raw(
            do(cmd("Add-ClusterVirtualMachineRole", VMId=vm_id, Name=str(guest_id))),
            about=guest_id,
            doing=doing,
        )
    except errors.CommandFailed as failed:
        if failed.hresult not in errors.EXISTS and "NotClusterStorage" not in failed.error_id:
            raise errors.of_command(failed, doing=doing) from failed


async def remove_role(client: Client, guest_id: UUID, vm_id: str) -> None:
    doing = f"guest {guest_id} is no role of the cluster any more"
    gone = cmd("Remove-ClusterGroup", "RemoveResources", "Force", VMId=vm_id)
    try:
        await client.raw(do(gone), about=guest_id, doing=doing)
    except errors.CommandFailed as failed:
        if not errors.is_missing(failed):
            raise errors.of_command(failed, doing=doing) from failed
