"""A host as administrators see it: what it is, and how much of it is promised."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from api.declare import Date, View, date, view
from api.this_controller import CONTROLLER_ID
from projections.annotation import is_noted, notes
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.host import Host
from projections.pod import pods
from projections.zone import zones

MIB = 1024**2


NOTHING_DOES = "Disabled"


@view
class HostHaView(View, kw_only=True):
    """What fences a host that is lost."""

    ha_enable: Annotated[bool, "whether anything does"]
    ha_state: Annotated[str, "Disabled while nothing does"]


@view
class PowerView(View, kw_only=True):
    """What switches a host on and off."""

    enabled: Annotated[bool, "whether anything does"]
    power_state: Annotated[str, "Disabled while nothing does"]


@view
class HostView(View, kw_only=True):
    id: Annotated[UUID, "the host"]
    name: Annotated[str, "its name"]
    state: Annotated[str, "Up, Connecting or Disconnected"]
    resource_state: Annotated[str, "whether an operator lets it be used"]
    type: Annotated[str, "Routing: it runs guests"]
    hypervisor: Annotated[str, "what runs its guests"]
    hypervisor_version: Annotated[str | None, "the version of that"] = None
    version: Annotated[str | None, "the same, for older clients"] = None
    ip_address: Annotated[str | None, "how it is reached"] = None
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str, "its name"]
    pod_id: Annotated[UUID, "the pod"]
    pod_name: Annotated[str, "its name"]
    cluster_id: Annotated[UUID, "the cluster"]
    cluster_name: Annotated[str, "its name"]
    cluster_type: Annotated[str, "CloudManaged or ExternalManaged"]
    arch: Annotated[str, "its architecture"]
    cpu_number: Annotated[int | None, "cores"] = None
    cpu_speed: Annotated[int | None, "speed of one core in MHz"] = None
    cpu_with_overprovisioning: Annotated[str | None, "MHz that may be promised"] = None
    cpu_allocated: Annotated[str | None, "share of its CPU that is promised, with a sign"] = None
    cpu_allocated_value: Annotated[int | None, "MHz that are promised"] = None
    cpu_allocated_percentage: Annotated[str | None, "share of its CPU that is promised"] = None
    cpu_allocated_with_overprovisioning: Annotated[
        str | None, "share of what may be promised that is"
    ] = None
    cpu_used: Annotated[str | None, "share of its CPU that was used when it was measured"] = None
    memory_used: Annotated[int | None, "bytes that were used then"] = None
    network_kbs_read: Annotated[int | None, "KiB that it had received then"] = None
    network_kbs_write: Annotated[int | None, "KiB that it had sent then"] = None
    memory_total: Annotated[int | None, "bytes"] = None
    memory_with_overprovisioning: Annotated[str | None, "bytes that may be promised"] = None
    memory_allocated: Annotated[int | None, "bytes that are promised"] = None
    memory_allocated_bytes: Annotated[int | None, "the same"] = None
    memory_allocated_percentage: Annotated[str | None, "share that is promised"] = None
    capabilities: Annotated[str | None, "what it can do"] = None
    host_tags: Annotated[str | None, "its tags"] = None
    explicit_host_tags: Annotated[str | None, "tags that an operator gave it"] = None
    is_tag_a_rule: Annotated[bool, "whether its tag is a rule"]
    islocalstorageactive: Annotated[bool, "whether its zone allows disks on hosts"]
    hahost: Annotated[bool, "whether it is kept for restarts"]
    username: Annotated[str | None, "who the controller is on it"] = None
    disconnected: Annotated[Date | None, "when it was last lost"] = None
    created: Annotated[Date, "when it was added"]
    details: Annotated[dict[str, str] | None, "what else is known of it"] = None
    ha: Annotated[HostHaView, "whether it is fenced by itself: none is"] = msgspec.field(
        name="hostha"
    )
    out_of_band_management: Annotated[PowerView, "whether its power can be switched: none's"]
    uefi_capability: Annotated[bool, "whether guests can start by UEFI on it"]
    encryption_supported: Annotated[bool, "whether it can encrypt disks"]
    instance_conversion_supported: Annotated[bool, "whether it turns foreign guests into its own"]
    management_server_id: Annotated[UUID, "the controller that it belongs to"]
    annotation: Annotated[str | None, "what was noted on it last"] = None
    last_annotated: Annotated[Date | None, "when that was"] = None
    suitable_for_migration: Annotated[bool | None, "whether a guest can move to it"] = None
    has_enough_capacity: Annotated[bool | None, "whether it has room for that guest"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: Host, cloud: Cloud) -> HostView:
        zone, cluster = cloud[zones][row.zone_id], cloud[clusters][row.cluster_id]
        tags = ",".join(row.tags) or None
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            state=row.state.value,
            resource_state=row.resource_state.value,
            type="Routing",
            hypervisor=row.hypervisor,
            hypervisor_version=row.hypervisor_version or None,
            version=row.hypervisor_version or None,
            ip_address=address_of(row.url),
            zone_id=row.zone_id,
            zone_name=zone.name,
            pod_id=row.pod_id,
            pod_name=cloud[pods][row.pod_id].name,
            cluster_id=row.cluster_id,
            cluster_name=cluster.name,
            cluster_type=cluster.cluster_type,
            arch=cluster.arch,
            capabilities=",".join(row.capabilities) or None,
            host_tags=tags,
            explicit_host_tags=tags,
            is_tag_a_rule=False,
            islocalstorageactive=zone.local_storage_enabled,
            hahost=False,
            username=row.username or None,
            disconnected=date(row.disconnected_at_ms) if row.state != "Up" else None,
            created=date(row.created_at_ms),
            details=_details(row, cloud),
            ha=HostHaView(ha_enable=False, ha_state=NOTHING_DOES),
            out_of_band_management=PowerView(enabled=False, power_state=NOTHING_DOES),
            uefi_capability="uefi" in row.capabilities,
            encryption_supported=False,
            instance_conversion_supported=False,
            management_server_id=CONTROLLER_ID,
            **_noted(row, cloud),
            job_id=row.job_id,
            job_status=None if row.job_id is None else 0,
            **(_compute(row, cloud) if row.hardware_id else {}),
            **_measured(row, cloud),
        )


def address_of(url: str) -> str:
    """The part of a host's URL that says which machine it is."""
    return urlsplit(url).hostname or url


def control_state(row: Host) -> str:
    """Both states of a host in one word."""
    if row.state != "Up":
        return "Offline"
    return row.resource_state if row.resource_state in ("Enabled", "Disabled") else "Maintenance"


def _noted(row: Host, cloud: Cloud) -> dict[str, Any]:
    """The last note on it that is not for administrators only."""
    open_notes = [one for one in cloud[notes].by("resource_id", row.id) if not one.admins_only]
    if not open_notes:
        return {}
    last = max(open_notes, key=lambda one: one.created_at_ms)
    return {"annotation": last.text, "last_annotated": date(last.created_at_ms)}


def _details(row: Host, cloud: Cloud) -> dict[str, str] | None:
    """What no field is for; instruments that are measured stand here as `sensor.<name>`."""
    known = {"hardwareid": row.hardware_id, "note": row.detail}
    if row.hardware_id:
        known["accelerated"] = "true" if row.accelerated else "false"
    sample = cloud.vitals.host(row.id)
    for one in sample.sensors if sample is not None else ():
        words = (f"{one.value:g}", one.unit, one.health)
        known[f"sensor.{one.name}"] = " ".join(word for word in words if word)
    return {name: value for name, value in known.items() if value} or None


def _measured(row: Host, cloud: Cloud) -> dict[str, Any]:
    """What the host said of itself last; nothing if it does not answer, or of the past."""
    sample = cloud.vitals.host(row.id)
    if sample is None:
        return {}
    return {
        "cpu_used": f"{sample.cpu_used_percent:.2f}%",
        "memory_used": sample.memory_used_bytes,
        "network_kbs_read": sample.network_read_bytes // 1024,
        "network_kbs_write": sample.network_write_bytes // 1024,
    }


def _compute(row: Host, cloud: Cloud) -> dict[str, Any]:
    """Cores and memory, and how much of them is promised."""
    columns = cloud.view(Capacity).hosts
    slot = columns.slot_of(row.id)
    used_mhz, used_mib = columns.used(slot) if slot is not None else (0, 0)
    offered = cloud.view(Capacity).supply_of(row.id)
    mhz = row.cpu_count * row.cpu_mhz
    offered_mhz = offered.offered_mhz if offered else mhz
    offered_bytes = offered.offered_mib * MIB if offered else row.memory_bytes
    share = 100 * used_mhz / mhz if mhz else 0.0
    memory_share = 100 * used_mib * MIB / row.memory_bytes if row.memory_bytes else 0.0
    return {
        "cpu_number": row.cpu_count,
        "cpu_speed": row.cpu_mhz,
        "cpu_with_overprovisioning": str(offered_mhz),
        "cpu_allocated": f"{share:.2f}%",
        "cpu_allocated_value": used_mhz,
        "cpu_allocated_percentage": f"{share:.2f}%",
        "cpu_allocated_with_overprovisioning": (
            f"{100 * used_mhz / offered_mhz if offered_mhz else 0:.2f}%"
        ),
        "memory_total": row.memory_bytes,
        "memory_with_overprovisioning": str(offered_bytes),
        "memory_allocated": used_mib * MIB,
        "memory_allocated_bytes": used_mib * MIB,
        "memory_allocated_percentage": f"{memory_share:.2f}%",
    }
