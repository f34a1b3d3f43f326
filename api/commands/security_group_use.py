"""The security groups that a guest shall be in: those that it names, else its account's default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import msgspec

from api.caller import Caller
from api.errors import InvalidValue
from engine.intents.security_group import EnsureDefaultGroup
from projections.cloud import Cloud
from projections.network import networks
from projections.security_group import DEFAULT_GROUP, SecurityGroup, security_groups


class GroupsAsked(Protocol):
    """The parameters of a deploy that speak of security groups."""

    @property
    def security_group_ids(self) -> tuple[UUID, ...] | None: ...
    @property
    def security_group_names(self) -> tuple[str, ...] | None: ...


async def settle_groups(
    ask: GroupsAsked,
    caller: Caller,
    account_id: UUID,
    domain_id: UUID,
    network_ids: Iterable[UUID],
) -> list[UUID]:
    """Groups by id or by name; on networks that know groups, `default` if none is said."""
    guarded = any(knows_groups(caller.cloud, one) for one in network_ids)
    wanted = _wanted(ask, caller, account_id)
    if wanted and not guarded:
        raise InvalidValue(
            "none of the networks has security groups: leave securitygroupids and "
            "securitygroupnames out, or choose a network that has them"
        )
    if wanted or not guarded:
        return wanted
    if caller.dry_run:
        found = named_group(caller.cloud, account_id, DEFAULT_GROUP)
        return [] if found is None else [found.id]
    return [await default_group(caller, account_id, domain_id)]


def _wanted(ask: GroupsAsked, caller: Caller, account_id: UUID) -> list[UUID]:
    """The groups that were named; each belongs to the account of the guest."""
    if ask.security_group_ids and ask.security_group_names:
        raise InvalidValue("securitygroupids excludes securitygroupnames: leave one out")
    found = []
    for one in ask.security_group_ids or ():
        row = caller.cloud[security_groups][one]
        if row.account_id != account_id:
            raise InvalidValue(
                f"security group {row.name} is another account's: choose one of the guest's"
            )
        found.append(row.id)
    for name in ask.security_group_names or ():
        named = named_group(caller.cloud, account_id, name)
        if named is None:
            raise InvalidValue(f"Unable to find security group {name} of this account")
        found.append(named.id)
    return list(dict.fromkeys(found))


def knows_groups(cloud: Cloud, network_id: UUID) -> bool:
    """Are the guests of this network guarded by security groups?"""
    network = cloud[networks].get(network_id)
    return network is not None and "SecurityGroup" in network.services


def named_group(cloud: Cloud, account_id: UUID, name: str) -> SecurityGroup | None:
    """The account's group of this name, in any case."""
    same = cloud[security_groups].by_text("name", name)
    return next((row for row in same if row.account_id == account_id), None)


async def default_group(caller: Caller, account_id: UUID, domain_id: UUID) -> UUID:
    """The account's group `default`, made now if it was never needed before."""
    found = named_group(caller.cloud, account_id, DEFAULT_GROUP)
    if found is not None:
        return found.id
    # The event list shall show a group being made, whatever it was made for.
    as_group = replace(
        caller, by=msgspec.structs.replace(caller.by, action="SG.CREATE", idempotency_key="")
    )
    ask = EnsureDefaultGroup(id=caller.new_id(), account_id=account_id, domain_id=domain_id)
    made: UUID = await as_group.decide(ask)
    return made
