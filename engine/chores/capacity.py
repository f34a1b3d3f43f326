"""What is too full is an alert, until there is room again. From where on is a setting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import NAMESPACE_OID, UUID, uuid5

from aggregates.operation_settings import NOTIFIES
from engine.chores.chore import BY, chore
from engine.engine import Engine
from engine.intents.finding import CloseFindings, OpenFinding
from projections.capacities import NAMES, Place, measured
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.finding import FindingKind, findings
from projections.pieces import pieces
from projections.pod import pods
from projections.setting import number_of
from projections.zone import zones

LOOKED_AT_ONCE = 10
# CloudStack's types of alerts, where they are not the types of capacity.
ALERT_TYPES = {7: 18, 8: 24, 9: 25}


@dataclass(frozen=True, slots=True)
class Full:
    """One kind of capacity in one place that is used beyond its threshold."""

    kind: int
    place_id: UUID
    text: str

    @property
    def key(self) -> tuple[UUID, str]:
        return self.place_id, NAMES[self.kind]


@chore(setting="capacity.check.period", unit_ms=1)
async def look_at_capacity(engine: Engine, now_ms: int) -> None:
    cloud = engine.cloud
    known = {
        (f.place_id, f.subject): f for f in cloud[findings].by("finding", FindingKind.TOO_FULL)
    }
    full = dict[tuple[UUID, str], Full]()
    async for some in pieces(list(places(cloud)), most=LOOKED_AT_ONCE):
        full |= {what.key: what for one in some for what in too_full(cloud, one)}
    for key, what in full.items():
        if key not in known:
            ask = OpenFinding(
                id=uuid5(NAMESPACE_OID, f"{what.place_id}/{what.kind}/{now_ms}"),
                finding=FindingKind.TOO_FULL,
                place_id=what.place_id,
                subject=NAMES[what.kind],
                text=what.text,
                alert_type=ALERT_TYPES.get(what.kind, what.kind),
            )
            await engine.decide(ask, BY)
    over = tuple(one.id for key, one in known.items() if key not in full)
    if over:
        await engine.decide(CloseFindings(ids=over), BY)


@dataclass(frozen=True, slots=True)
class Looked:
    """A zone, pod or cluster, and what the settings of thresholds that are about it begin with."""

    name: str
    id: UUID
    place: Place
    scope: str


def places(cloud: Cloud) -> Iterator[Looked]:
    """All of them: each is looked at for what is its own."""
    for zone in cloud[zones]:
        yield Looked(f"zone {zone.name}", zone.id, Place(zone.id), "zone.")
    for pod in cloud[pods]:
        yield Looked(f"pod {pod.name}", pod.id, Place(pod.zone_id, pod.id), "pod.")
    for cluster in cloud[clusters]:
        place = Place(cluster.zone_id, cluster.pod_id, cluster.id)
        yield Looked(f"cluster {cluster.name}", cluster.id, place, "cluster.")


def too_full(cloud: Cloud, one: Looked) -> Iterator[Full]:
    """What is used there beyond its threshold."""
    for kind, used, total in measured(cloud, one.place):
        setting = NOTIFIES.get(kind, "")
        if not setting.startswith(one.scope) or not total:
            continue
        share = number_of(cloud, setting, one.id, one.place.zone_id)
        if used > share * total:
            text = f"{NAMES[kind]} of {one.name}: {100 * used / total:.2f} % of {total} are used"
            yield Full(kind, one.id, f"{text}, and {100 * share:g} % are the threshold {setting}")
