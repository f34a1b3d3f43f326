"""Guests on networks of other accounts: none comes to an owner that ends, none ends with it.

A guest that comes relies on its network's owner, and who ends an owner has seen all that came: of
two at one moment the second decides again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol
from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.errors import InUse, NotAllowed
from aggregates.network import Network
from aggregates.vm import Vm
from engine.intents.nic import ADDING, AddNic
from engine.saga import Run
from projections.account import accounts
from projections.cloud import Cloud
from projections.domain import domains
from projections.network import networks
from projections.nic import Nics
from projections.project import projects
from projections.saga import saga_runs
from projections.vm import vms

NAMED_MAX = 5


class Deciding(Protocol):
    """A run or a desk: whatever puts facts into a commit."""

    @property
    def cloud(self) -> Cloud: ...
    def guard(self, row: Aggregate, /) -> None: ...


def come_to(at: Deciding, network: Network, account_id: UUID) -> None:
    """A guest of that account gets a card on this network; refused where its owner ends."""
    at.guard(network)
    if network.account_id != account_id:
        _rely_on_owner(at, network)


def _rely_on_owner(at: Deciding, network: Network) -> None:
    account = at.cloud[accounts].get(network.account_id)
    if account is None:
        return
    domain = at.cloud[domains].get(account.domain_id)
    project = at.cloud[projects].one("account_id", account.id)
    owner = ""
    if domain is not None and domain.state != "Active":
        owner = f"domain {domain.path}"
    elif project is not None and project.ending is not None:
        owner = f"project {project.name}"
    elif account.ending is not None:
        owner = f"account {account.name}"
    if owner:
        text = f"network {network.name} is of {owner}, which is being deleted: take another network"
        raise NotAllowed(text)
    for row in (account, domain, project):
        if row is not None:
            at.guard(row)


def lodgers(cloud: Cloud, ending: Collection[UUID]) -> list[Vm]:
    """The guests on networks of accounts that end, or on their way there, which are not the
    network's own account's: each once, on however many of them it is."""
    cards, found = cloud.view(Nics), dict[UUID, Vm]()
    for one in ending:
        for network in cloud[networks].by("account_id", one):
            found |= {vm.id: vm for vm in cards.guests_on(network.id) if vm.account_id != one}
    for network_id, vm in coming(cloud):
        owner = cloud[networks][network_id].account_id
        if owner in ending and vm.account_id != owner:
            found[vm.id] = vm
    return list(found.values())


def coming(cloud: Cloud) -> Iterator[tuple[UUID, Vm]]:
    """The guests that get a card by a job, with its network: they have it once it is there."""
    for run in cloud[saga_runs].having("state", lambda state: not state.is_over):
        vm = cloud[vms].get(run.subject_id)
        if vm is not None and (vm.doing, vm.job_id) == (ADDING, run.id):
            yield msgspec.convert(run.intent, AddNic).nic.network_id, vm


def refuse_lodgers(run: Run[Any], ending: Collection[UUID], closed: Iterable[Aggregate]) -> None:
    """Refuse to end accounts on whose networks guests are that do not end with them.

    `closed` are the rows by which guests that come find that from now on.
    """
    cloud = run.cloud
    stay = [vm for vm in lodgers(cloud, ending) if vm.account_id not in ending]
    if stay:
        named = ", ".join(f"{vm.name} of {_name(cloud, vm.account_id)}" for vm in stay[:NAMED_MAX])
        raise InUse(
            f"guests of others are on its networks, {len(stay)} in all ({named}): expunge them "
            "first, or take them off by removeNicFromVirtualMachine"
        )
    for row in closed:
        run.close(row)


def _name(cloud: Cloud, account_id: UUID) -> str:
    account = cloud[accounts].get(account_id)
    return str(account_id) if account is None else account.name
