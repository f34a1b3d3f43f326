"""Settings: known by name, of their type, and set where they may be set."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import Invalid
from aggregates.known_settings import KNOWN
from aggregates.setting import Setting
from aggregates.setting_terms import KnownSetting
from engine.decide import Desk, decision
from engine.decisions import cluster, record
from engine.intents.cluster import UpdateCluster
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from engine.intents.setting import ChangeSetting, ResetSetting
from projections.setting import settings

# Set for a cluster, these are the cluster's own ratios, and its hosts offer by them.
RATIOS = {
    "cpu.overprovisioning.factor": "cpu_overcommit",
    "mem.overprovisioning.factor": "memory_overcommit",
}


@decision
def change(ask: ChangeSetting, desk: Desk) -> None:
    known = _known(ask.name, ask.scope)
    known.check(ask.value)
    row = _changed(desk, ask.name, ask.scope_id)
    if row is not None:
        fields = {"value": ask.value}
        record.update(UpdateRecord(kind="setting", id=row.id, fields=fields), desk)
    else:
        named = {"name": ask.name, "scope": ask.scope, "scope_id": ask.scope_id}
        made = CreateRecord(kind="setting", id=ask.id, fields=named | {"value": ask.value})
        record.create(made, desk)
    _tell_cluster(desk, ask.name, ask.scope, ask.scope_id, ask.value)


@decision
def reset(ask: ResetSetting, desk: Desk) -> None:
    known = _known(ask.name, ask.scope)
    row = _changed(desk, ask.name, ask.scope_id)
    if row is not None:
        record.remove(RemoveRecord(kind="setting", id=row.id), desk)
        _tell_cluster(desk, ask.name, ask.scope, ask.scope_id, known.default)


def _known(name: str, scope: str) -> KnownSetting:
    known = KNOWN.get(name)
    if known is None:
        raise Invalid(f"there is no setting {name}: listConfigurations has them all", field="name")
    if scope not in known.scopes:
        raise Invalid(f"{name} cannot be set for a {scope}: only for {', '.join(known.scopes)}")
    return known


def _changed(desk: Desk, name: str, scope_id: UUID | None) -> Setting | None:
    rows = desk.cloud[settings].by("name", name)
    return next((row for row in rows if row.scope_id == scope_id), None)


def _tell_cluster(desk: Desk, name: str, scope: str, scope_id: UUID | None, value: str) -> None:
    if scope == "cluster" and scope_id is not None and name in RATIOS:
        cluster.update(UpdateCluster(id=scope_id, fields={RATIOS[name]: float(value)}), desk)
