"""Whose a 3.x host is: an agent obeys the manager that took it, and a server pool's members move
guests among themselves.

A host that nobody owns is taken; one that another manager owns is left alone, with the words for
a person who wants it otherwise.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.oraclevm.client import Agent
from drivers.oraclevm.errors import is_there
from drivers.oraclevm.translate3 import read

ROLES = "xen,utility"
ALIAS = "Sagastack"


async def server(agent: Agent) -> ET.Element:
    """What `discover_server` says."""
    found = read(await agent.ask("discover_server")).find("Server")
    if found is None:
        raise Unavailable(f"{agent.place.host}: discover_server names no server")
    return found


async def take(agent: Agent, manager: str) -> None:
    """Own the host. Refused: another manager owns it."""
    told = await server(agent)
    state, owner = told.findtext("Membership_State", ""), told.findtext("Manager_Unique_Id", "")
    if state == "Unowned":
        if told.findtext("Server_Roles", "") != ROLES:
            await agent.change("update_server_roles", ROLES)
        await agent.change("take_ownership", manager, "")
    elif owner != manager:
        raise Refused(
            f"{agent.place.host} is owned by the manager {owner}: release it there first, or own "
            f"it together by SAGASTACK_DRIVER_ORACLEVM=manager={owner}"
        )


async def join(agent: Agent, master: Agent | None, pool_id: str, vip: str) -> None:
    """Let the host be in the server pool: it makes it, or joins what the master has made.

    Refused: it is in another one. Every member is told who the members are.
    """
    pool, told = await pool_of(agent), await server(agent)
    ip, name = told.findtext("Registered_IP", ""), told.findtext("Hostname", "")
    if pool is not None:
        if pool[0] != pool_id:
            raise Refused(f"{agent.place.host} is in the server pool {pool[0]}, not in {pool_id}")
        return
    there = await pool_of(master) if master is not None else None
    if master is None or there is None or there[0] != pool_id:
        await _tolerant(agent, "create_server_pool", ALIAS, pool_id, vip, 1, name, ip, ROLES)
        await agent.change("set_pool_member_ip_list", [ip])
        return
    members = [*there[1], ip]
    number = len(members)
    await _tolerant(agent, "join_server_pool", ALIAS, pool_id, vip, number, name, ip, ROLES)
    for one in (master, agent):
        await one.change("set_pool_member_ip_list", members)


async def pool_of(agent: Agent) -> tuple[str, tuple[str, ...]] | None:
    """The server pool of a host: its id and its members' addresses."""
    found = read(await agent.ask("discover_server_pool")).find("Server_Pool")
    if found is None or not found.findtext("Unique_Id"):
        return None
    members = (one.text or "" for one in found.iter("Registered_IP"))
    return found.findtext("Unique_Id", ""), tuple(one for one in members if one)


async def _tolerant(agent: Agent, method: str, *params: object) -> None:
    try:
        await agent.change(method, *params)
    except DriverError as error:
        if not is_there(error) and "already a member" not in str(error):
            raise
