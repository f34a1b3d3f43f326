"""Commands that keep a zone, pod, cluster or host for one domain or account, and open it again."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller, Job
from api.commands.identity_checks import account_of
from api.declare import Names, Success, command
from api.lists import Filter, list_command
from api.views.dedication import (
    DedicatedClusterView,
    DedicatedHostView,
    DedicatedPodView,
    DedicatedZoneView,
)
from engine.intents.dedication import Dedicate, Release
from engine.intents.job import AsJob
from projections.account import accounts
from projections.dedication import dedications


async def _dedicate(
    caller: Caller, place: str, place_id: UUID, domain_id: UUID, account: str | None
) -> Job:
    account_id = account_of(caller, None, account, domain_id).id if account else None
    ask = Dedicate(
        id=caller.new_id(),
        place=place,
        place_id=place_id,
        domain_id=domain_id,
        account_id=account_id,
    )
    return await caller.submit(AsJob(ask=ask, subject_kind="dedication", subject_id=ask.id))


async def _release(caller: Caller, place: str, place_id: UUID) -> Job:
    noun = place.removesuffix("_id")
    ask = Release(place=place, place_id=place_id)
    return await caller.submit(AsJob(ask=ask, subject_kind=noun, subject_id=place_id))


def _is_of(row: Any, name: str, caller: Caller) -> bool:
    """Is it kept for the account of this name?"""
    account = caller.cloud[accounts].get(row.account_id)
    return account is not None and account.name.lower() == name.lower()


@command(
    "dedicateZone",
    returns=DedicatedZoneView,
    key="dedicatedzone",
    shape="list",
    is_async=True,
    allow="A",
    action="DEDICATE.RESOURCE",
)
class DedicateZone:
    """Keep a zone for a domain, or for one account of it: others are not placed there."""

    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    domain_id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    account: Annotated[str | None, "the only account of that domain"] = None

    async def run(self, caller: Caller) -> Job:
        return await _dedicate(caller, "zone_id", self.zone_id, self.domain_id, self.account)


@command(
    "releaseDedicatedZone",
    returns=Success,
    is_async=True,
    allow="A",
    action="RELEASE.DEDICATED.RESOURCE",
)
class ReleaseDedicatedZone:
    """Open a zone to everybody again."""

    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _release(caller, "zone_id", self.zone_id)


@list_command(
    "listDedicatedZones",
    view=DedicatedZoneView,
    table=dedications,
    key="dedicatedzone",
    scope="admin",
    keyword=(),
    allow="A",
)
class ListDedicatedZones:
    """List the zones that are kept for somebody."""

    zone_id: Annotated[UUID | None, "this zone", Names("zone", right="see")] = None
    domain_id: Annotated[UUID | None, "kept for this domain", Names("domain", right="see")] = None
    account: Annotated[str | None, "kept for the account of this name", Filter()] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        return row.zone_id is not None

    def matches(self, row: Any, caller: Caller) -> bool:
        return self.account is None or _is_of(row, self.account, caller)


@command(
    "dedicatePod",
    returns=DedicatedPodView,
    key="dedicatedpod",
    shape="list",
    is_async=True,
    allow="A",
    action="DEDICATE.RESOURCE",
)
class DedicatePod:
    """Keep a pod for a domain, or for one account of it: others are not placed there."""

    pod_id: Annotated[UUID, "the pod", Names("pod", right="operate")]
    domain_id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    account: Annotated[str | None, "the only account of that domain"] = None

    async def run(self, caller: Caller) -> Job:
        return await _dedicate(caller, "pod_id", self.pod_id, self.domain_id, self.account)


@command(
    "releaseDedicatedPod",
    returns=Success,
    is_async=True,
    allow="A",
    action="RELEASE.DEDICATED.RESOURCE",
)
class ReleaseDedicatedPod:
    """Open a pod to everybody again."""

    pod_id: Annotated[UUID, "the pod", Names("pod", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _release(caller, "pod_id", self.pod_id)


@list_command(
    "listDedicatedPods",
    view=DedicatedPodView,
    table=dedications,
    key="dedicatedpod",
    scope="admin",
    keyword=(),
    allow="A",
)
class ListDedicatedPods:
    """List the pods that are kept for somebody."""

    pod_id: Annotated[UUID | None, "this pod", Names("pod", right="see")] = None
    domain_id: Annotated[UUID | None, "kept for this domain", Names("domain", right="see")] = None
    account: Annotated[str | None, "kept for the account of this name", Filter()] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        return row.pod_id is not None

    def matches(self, row: Any, caller: Caller) -> bool:
        return self.account is None or _is_of(row, self.account, caller)


@command(
    "dedicateCluster",
    returns=DedicatedClusterView,
    key="dedicatedcluster",
    shape="object",
    is_async=True,
    allow="A",
    action="DEDICATE.RESOURCE",
)
class DedicateCluster:
    """Keep a cluster for a domain, or for one account of it: others are not placed there."""

    cluster_id: Annotated[UUID, "the cluster", Names("cluster", right="operate")]
    domain_id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    account: Annotated[str | None, "the only account of that domain"] = None

    async def run(self, caller: Caller) -> Job:
        return await _dedicate(caller, "cluster_id", self.cluster_id, self.domain_id, self.account)


@command(
    "releaseDedicatedCluster",
    returns=Success,
    is_async=True,
    allow="A",
    action="RELEASE.DEDICATED.RESOURCE",
)
class ReleaseDedicatedCluster:
    """Open a cluster to everybody again."""

    cluster_id: Annotated[UUID, "the cluster", Names("cluster", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _release(caller, "cluster_id", self.cluster_id)


@list_command(
    "listDedicatedClusters",
    view=DedicatedClusterView,
    table=dedications,
    key="dedicatedcluster",
    scope="admin",
    keyword=(),
    allow="A",
)
class ListDedicatedClusters:
    """List the clusters that are kept for somebody."""

    cluster_id: Annotated[UUID | None, "this cluster", Names("cluster", right="see")] = None
    domain_id: Annotated[UUID | None, "kept for this domain", Names("domain", right="see")] = None
    account: Annotated[str | None, "kept for the account of this name", Filter()] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        return row.cluster_id is not None

    def matches(self, row: Any, caller: Caller) -> bool:
        return self.account is None or _is_of(row, self.account, caller)


@command(
    "dedicateHost",
    returns=DedicatedHostView,
    key="dedicatedhost",
    shape="list",
    is_async=True,
    allow="A",
    action="DEDICATE.RESOURCE",
)
class DedicateHost:
    """Keep a host for a domain, or for one account of it: others are not placed there."""

    host_id: Annotated[UUID, "the host", Names("host", right="operate")]
    domain_id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    account: Annotated[str | None, "the only account of that domain"] = None

    async def run(self, caller: Caller) -> Job:
        return await _dedicate(caller, "host_id", self.host_id, self.domain_id, self.account)


@command(
    "releaseDedicatedHost",
    returns=Success,
    is_async=True,
    allow="A",
    action="RELEASE.DEDICATED.RESOURCE",
)
class ReleaseDedicatedHost:
    """Open a host to everybody again."""

    host_id: Annotated[UUID, "the host", Names("host", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _release(caller, "host_id", self.host_id)


@list_command(
    "listDedicatedHosts",
    view=DedicatedHostView,
    table=dedications,
    key="dedicatedhost",
    scope="admin",
    keyword=(),
    allow="A",
)
class ListDedicatedHosts:
    """List the hosts that are kept for somebody."""

    host_id: Annotated[UUID | None, "this host", Names("host", right="see")] = None
    domain_id: Annotated[UUID | None, "kept for this domain", Names("domain", right="see")] = None
    account: Annotated[str | None, "kept for the account of this name", Filter()] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        return row.host_id is not None

    def matches(self, row: Any, caller: Caller) -> bool:
        return self.account is None or _is_of(row, self.account, caller)
