"""Settings: known by name, of their type, and set where they may be set."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import Invalid
from aggregates.known_settings import KNOWN
from aggregates.setting import Setting
from aggregates.setting_terms import KnownSetting
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.cluster import RATIOS, SetRatio
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from engine.intents.setting import ChangeSetting, ResetSetting
from projections.cluster import clusters
from projections.setting import number_of, settings


@decision
def change(ask: ChangeSetting, desk: Desk) -> None:
    _no_ratio(ask)
    _change(ask, desk)


@decision
def reset(ask: ResetSetting, desk: Desk) -> None:
    _no_ratio(ask)
    _reset(ask, desk)


def set_ratio(ask: SetRatio, desk: Desk) -> None:
    """All but what the hosts of the cluster offer from then on."""
    scope, scope_id = "cluster", ask.cluster_id
    if ask.value is None:
        _reset(ResetSetting(name=ask.name, scope=scope, scope_id=scope_id), desk)
        ratio = number_of(desk.cloud, ask.name, desk.row(clusters, scope_id).zone_id)
    else:
        new_id, name, value = ask.setting_id, ask.name, ask.value
        named = ChangeSetting(id=new_id, name=name, value=value, scope=scope, scope_id=scope_id)
        _change(named, desk)
        ratio = float(value)
    fields = {RATIOS[ask.name]: ratio}
    record.update(UpdateRecord(kind="cluster", id=scope_id, fields=fields), desk)


def _no_ratio(ask: ChangeSetting | ResetSetting) -> None:
    assert not (ask.scope == "cluster" and ask.name in RATIOS), f"{ask.name}: by SetRatio"


def _change(ask: ChangeSetting, desk: Desk) -> None:
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


def _reset(ask: ResetSetting, desk: Desk) -> None:
    _known(ask.name, ask.scope)
    row = _changed(desk, ask.name, ask.scope_id)
    if row is not None:
        record.remove(RemoveRecord(kind="setting", id=row.id), desk)


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
