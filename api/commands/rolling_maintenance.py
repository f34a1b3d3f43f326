"""Rolling maintenance: work on the hosts of a place one after the other."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Bound, Caller, Job, Length, Names, command
from api.errors import InvalidValue
from api.views.rolling_maintenance import RollingMaintenanceView
from engine.intents.rolling_maintenance import RollHosts, Scripts
from projections.host import Host, hosts
from projections.setting import number_of, value_of

STAGE_TIMEOUT = "kvm.rolling.maintenance.stage.timeout"
TIMEOUT_MAX_S = 82_800
SCOPES = ("hostids", "clusterids", "podids", "zoneids")


@command(
    "startRollingMaintenance",
    returns=RollingMaintenanceView,
    key="rollingmaintenance",
    allow="A",
    is_async=True,
    action="SYSTEM.ROLLING.MAINTENANCE",
)
class StartRollingMaintenance:
    """Empty hosts one after the other, run an operator's scripts on each, and let it serve again.

    Hosts are named by one kind of place. Meanwhile their clusters take no new guests.
    """

    cluster_ids: Annotated[
        tuple[UUID, ...] | None, "the hosts of these clusters", Names("cluster", right="operate")
    ] = None
    forced: Annotated[bool, "leave out hosts that are not ready or fail, and go on"] = False
    host_ids: Annotated[tuple[UUID, ...] | None, "these hosts", Names("host", right="operate")] = (
        None
    )
    payload: Annotated[str | None, "words that every script is given", Length(4096)] = None
    pod_ids: Annotated[
        tuple[UUID, ...] | None, "the hosts of these pods", Names("pod", right="operate")
    ] = None
    timeout: Annotated[
        int | None,
        "seconds that each script may take; else kvm.rolling.maintenance.stage.timeout",
        Bound(1, TIMEOUT_MAX_S),
    ] = None
    zone_ids: Annotated[
        tuple[UUID, ...] | None, "the hosts of these zones", Names("zone", right="operate")
    ] = None

    async def run(self, caller: Caller) -> Job:
        cloud = caller.cloud
        scripts = Scripts(
            folder=value_of(cloud, "rolling.maintenance.hooks.dir"),
            timeout_s=self.timeout or int(number_of(cloud, STAGE_TIMEOUT)),
            arguments=tuple((self.payload or "").split()),
        )
        ask = RollHosts(
            id=caller.new_id(), host_ids=self._hosts(caller), scripts=scripts, forced=self.forced
        )
        return await caller.submit(ask)

    def _hosts(self, caller: Caller) -> list[UUID]:
        """The hosts, those of one cluster after those of another; by name within it."""
        given = (self.host_ids, self.cluster_ids, self.pod_ids, self.zone_ids)
        if sum(bool(ids) for ids in given) != 1:
            raise InvalidValue(
                f"rolling maintenance is of one kind of place: give one of {', '.join(SCOPES)}"
            )
        table, named = caller.cloud[hosts], list[Host]()
        for ids, scope in zip(given, ("", "cluster_id", "pod_id", "zone_id"), strict=True):
            for one in ids or ():
                named += table.by(scope, one) if scope else [table[one]]
        if not named:
            raise InvalidValue("there are no hosts there: add some, or name another place")
        unique = {host.id: host for host in named}
        order = sorted(unique.values(), key=lambda host: (host.cluster_id, host.name, host.id))
        return [host.id for host in order]
