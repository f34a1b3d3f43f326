"""Hosts: add, change, maintain, reconnect, remove, list."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from msgspec.structs import replace

from api.baremetal_hosts import completed
from api.commands import state_words
from api.commands.vmware_dc import sign_in
from api.declare import Caller, Free, Job, Later, Names, OneOf, Roles, Success, command, part
from api.errors import missing
from api.lists import NONE_IS, Filter, Test, list_command, none_is
from api.this_controller import CONTROLLER_ID
from api.urls import plain_url
from api.views.host import HostView, address_of
from api.views.metrics import HostMetricsView
from engine.intents.attached import Annotate
from engine.intents.host import (
    AddHost,
    AddHosts,
    EndMaintenance,
    PrepareHost,
    ReconnectHost,
    RemoveHost,
    UpdateHost,
)
from engine.intents.job import AsJob
from engine.intents.record import Together
from projections.cluster import clusters
from projections.host import Host, hosts
from projections.vm import vms

DETAILS = OneOf("all", "capacity", "events", "stats", "min")
STATES = OneOf("Enabled", "Disabled", "Enable", "Disable")
AS_PASSWORD = "give it as password when you add the host, where it is sealed"
HostId = Annotated[UUID, "the host", Names("host", right="operate")]


def reached_at(caller: Caller, zone_id: UUID, said: str) -> str:
    """The whole URL of a host of this zone, of which clients may leave parts to us."""
    url = said if "://" in said else f"http://{said.strip()}"
    return completed(caller, zone_id, plain_url(url, AS_PASSWORD))


@command("addHost", returns=HostView, key="host", shape="list", allow="AR", action="HOST.CREATE")
class AddHostCommand:
    """Add a host: it is reached, asked what it is, and guests may run on it from then on.

    An address that stands for several (a vCenter's cluster, a pool, a region) adds each of them.
    """

    hypervisor: Annotated[str, "what runs its guests"]
    pod_id: Annotated[UUID, "the pod", Names("pod", right="operate")]
    url: Annotated[str, "how it is reached"]
    zone_id: Annotated[UUID, "the zone", Names("zone", right="operate")]
    cluster_id: Annotated[UUID | None, "the cluster", Names("cluster", right="operate")] = None
    cluster_name: Annotated[str | None, "the cluster by name; made if there is none"] = None
    username: Annotated[str | None, "who to be on it"] = None
    password: Annotated[str | None, "the password of that user; it is sealed"] = None
    host_tags: Annotated[list[str] | None, "tags that offerings name"] = None
    allocation_state: Annotated[str | None, "Enabled or Disabled", STATES] = None
    external_details: Annotated[
        dict[str, str] | None, "not offered yet", Later("there are no extensions")
    ] = None
    storage_access_groups: Annotated[
        tuple[str, ...] | None, "not offered yet", Later("storage has no access groups")
    ] = None

    async def run(self, caller: Caller) -> list[Host]:
        cluster_id, new_cluster = self._cluster(caller, caller.new_id())
        at = reached_at(caller, self.zone_id, self.url)
        url, username, password = await sign_in(caller, self.zone_id, at, self)
        urls = await self._urls(caller, url, username, password)
        asks = [await self._ask(caller, one, cluster_id, username, password) for one in urls]
        if len(asks) == 1:
            await caller.perform(replace(asks[0], new_cluster=new_cluster))
        else:
            await caller.perform(
                AddHosts(cluster_id=cluster_id, hosts=asks, new_cluster=new_cluster)
            )
        return [caller.cloud[hosts][ask.id] for ask in asks]

    async def _urls(
        self, caller: Caller, url: str, username: str, password: str
    ) -> tuple[str, ...]:
        """The hosts that the address stands for and that are not here yet; itself if all are."""
        found = await caller.engine.discover(self.hypervisor, url, username, password)
        return tuple(one for one in found if not self._is_here(caller, one)) or found[:1]

    def _is_here(self, caller: Caller, url: str) -> bool:
        return any(host.zone_id == self.zone_id for host in caller.cloud[hosts].by("url", url))

    async def _ask(
        self, caller: Caller, url: str, cluster_id: UUID, username: str, password: str
    ) -> AddHost:
        return AddHost(
            id=caller.new_id(),
            name=address_of(url),
            url=url,
            hypervisor=self.hypervisor,
            zone_id=self.zone_id,
            pod_id=self.pod_id,
            cluster_id=cluster_id,
            username=username,
            password_ref=await caller.seal(password) if password else "",
            tags=list(self.host_tags or ()),
            enabled=not (self.allocation_state or "Enabled").startswith("Disable"),
        )

    def _cluster(self, caller: Caller, new_id: UUID) -> tuple[UUID, str]:
        """The cluster, and its name if it is to be made."""
        if self.cluster_id is not None:
            return self.cluster_id, ""
        if not self.cluster_name:
            raise missing("addHost", "clusterid")
        for row in caller.cloud[clusters].by("pod_id", self.pod_id):
            if row.name.casefold() == self.cluster_name.casefold():
                return row.id, ""
        return new_id, self.cluster_name


@command("updateHost", returns=HostView, key="host", allow="A", action="HOST.UPDATE")
class UpdateHostCommand:
    """Change a host's tags or URL, or let it be used or not."""

    id: HostId
    allocation_state: Annotated[str | None, "Enable or Disable", STATES] = None
    host_tags: Annotated[list[str] | None, "tags that offerings name"] = None
    name: Annotated[str | None, "new name", Roles("Admin")] = None
    url: Annotated[str | None, "how it is reached from now on"] = None
    annotation: Annotated[str | None, "a note to put on it", Roles("Admin")] = None
    external_details: Annotated[
        dict[str, str] | None, "not offered yet", Later("there are no extensions")
    ] = None
    cleanup_external_details: Annotated[
        bool | None, "not offered yet", Later("there are no extensions")
    ] = None
    is_tag_a_rule: Annotated[bool | None, "not offered yet", Later("tags are words")] = None
    os_category_id: Annotated[
        UUID | None, "not offered yet", Later("guests of every system go to every host")
    ] = None

    async def run(self, caller: Caller) -> Host:
        enabled = None
        if self.allocation_state:
            enabled = self.allocation_state.startswith("Enable")
        zone_id = caller.cloud[hosts][self.id].zone_id
        ask = UpdateHost(
            id=self.id,
            name=self.name or None,
            url=reached_at(caller, zone_id, self.url) if self.url else None,
            tags=None if self.host_tags is None else list(self.host_tags),
            enabled=enabled,
        )
        await caller.decide(Together(asks=(ask, *self._note(caller))))
        return caller.cloud[hosts][self.id]

    def _note(self, caller: Caller) -> tuple[Annotate, ...]:
        if not self.annotation:
            return ()
        note = Annotate(
            id=caller.new_id(),
            kind="host",
            thing_id=self.id,
            text=self.annotation,
            user_id=caller.user_id,
            admins_only=False,
        )
        return (note,)


@command("deleteHost", returns=Success, allow="AR", action="HOST.DELETE")
class DeleteHost:
    """Remove a host that runs no guests; forced stops them first."""

    id: HostId
    forced: Annotated[bool | None, "stop its guests first"] = None
    force_destroy_local_storage: Annotated[
        bool | None, "not offered yet", Later("delete or move the guests first")
    ] = None

    async def run(self, caller: Caller) -> None:
        await caller.perform(RemoveHost(id=self.id, forced=bool(self.forced)))


@command(
    "reconnectHost",
    returns=HostView,
    key="host",
    allow="A",
    is_async=True,
    action="HOST.RECONNECT",
)
class ReconnectHostCommand:
    """Connect to a host anew and ask it again what it is."""

    id: HostId

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(ReconnectHost(id=self.id))


@command(
    "prepareHostForMaintenance",
    returns=HostView,
    key="host",
    allow="A",
    is_async=True,
    action="MAINT.PREPARE",
)
class PrepareHostForMaintenance:
    """Move every guest away from a host, so that it can be worked on."""

    id: HostId

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(PrepareHost(id=self.id))


@command(
    "cancelHostMaintenance",
    returns=HostView,
    key="host",
    allow="A",
    is_async=True,
    action="MAINT.CANCEL",
)
class CancelHostMaintenance:
    """Let guests onto a host again after its maintenance."""

    id: HostId

    async def run(self, caller: Caller) -> Job:
        ask = EndMaintenance(id=self.id)
        return await caller.submit(AsJob(ask=ask, subject_kind="host", subject_id=self.id))


def _same(row: Host, value: Any) -> bool:
    return str(row.state).lower() == str(value).lower()


def _ours(row: Host, controller_id: Any) -> bool:
    return bool(controller_id == CONTROLLER_ID)


@part
class HostFilters:
    """What hosts are listed by."""

    zone_id: Annotated[UUID | None, "hosts of this zone", Names("zone", right="see")] = None
    pod_id: Annotated[UUID | None, "hosts of this pod", Names("pod", right="see")] = None
    cluster_id: Annotated[UUID | None, "hosts of this cluster", Names("cluster", right="see")] = (
        None
    )
    hypervisor: Annotated[str | None, "hosts of this kind"] = None
    state: Annotated[
        str | None, "Up, Connecting or Disconnected", state_words.HOST, Filter(test=_same)
    ] = None
    resource_state: Annotated[
        str | None, "whether an operator lets them be used", state_words.RESOURCE
    ] = None
    type: Annotated[str | None, "Routing; there are no others", Filter()] = None
    hahost: Annotated[bool | None, "hosts kept for restarts; there are none", Filter()] = None
    details: Annotated[
        list[str] | None, "how much to say; all of it is said", DETAILS, Filter()
    ] = None
    version: Annotated[str | None, "of this version", Filter("hypervisor_version")] = None
    arch: Annotated[str | None, "of this architecture", Filter()] = None
    virtual_machine_id: Annotated[
        UUID | None, "hosts that this guest could move to", Names("vm", right="see"), Filter()
    ] = None
    storage_access_group: Annotated[str | None, "of this access group: none is", NONE_IS] = None
    out_of_band_management_enabled: Annotated[
        bool | None, "with power control: none has", NONE_IS
    ] = None
    out_of_band_management_power_state: Annotated[
        str | None, "with this power state: none has", NONE_IS
    ] = None
    management_server_id: Annotated[
        UUID | None,
        "of this controller",
        Free("no controller is a secret"),
        Filter(test=_ours),
    ] = None

    def tests(self, caller: Caller) -> Iterator[Test]:
        if self.hahost or (self.type and self.type.lower() != "routing"):
            yield none_is
        if self.arch:
            of, arch = caller.cloud[clusters], self.arch.lower()
            yield lambda row: of[row.cluster_id].arch == arch
        vm = caller.cloud[vms].get(self.virtual_machine_id)
        if vm is not None:
            home = caller.cloud[hosts].get(vm.host_id)
            yield none_is if home is None else partial(_is_beside, home)


def _is_beside(home: Host, row: Host) -> bool:
    """Whether a guest of this home could move there."""
    return row.id != home.id and row.cluster_id == home.cluster_id


@list_command("listHosts", view=HostView, table=hosts, key="host", scope="admin")
class ListHosts(HostFilters):
    """List hosts."""


@list_command(
    "listHostsMetrics",
    view=HostMetricsView,
    table=hosts,
    key="host",
    scope="admin",
    allow="A",
    since="4.9.3",
)
class ListHostsMetrics(HostFilters):
    """List hosts with what is really used of them, and what is too full."""
