"""A virtual machine as the wire shows it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.declare import Cloud, Date, Roles, View, date, view
from api.views.host import control_state
from api.views.nic import NicView
from api.views.owner import OwnedView, owner
from api.views.resource_icon import ResourceIconView
from api.views.security_group import GuestGroupView, groups_of
from api.views.tag import TagView, tags_of
from api.views.vm_vitals import measured, told
from projections.affinity_group import affinity_groups
from projections.annotation import is_noted
from projections.disk_offering import disk_offerings
from projections.host import hosts
from projections.instance_group import instance_groups
from projections.iso import isos
from projections.network import networks
from projections.os_type import os_types
from projections.public_ip_address import public_ip_addresses
from projections.service_offering import service_offerings
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.user import users
from projections.user_data import user_datas
from projections.vm import Vm
from projections.volume import volumes
from projections.zone import zones

DAY_MS = 86_400_000
# The groups of fields that a list can be asked for (details=), and what is left out without each.
FIELDS_OF: dict[str, tuple[str, ...]] = {
    "group": ("group", "group_id"),
    "nics": ("nic", "ip_address"),
    "secgrp": ("security_group",),
    "affgrp": ("affinity_group",),
    "tmpl": (
        *("template_name", "template_display_text", "template_type", "template_format"),
        *("guest_os_id", "os_type_id", "os_display_name", "arch"),
    ),
    "servoff": ("service_offering_name",),
    "diskoff": ("disk_offering_id", "disk_offering_name"),
    "iso": ("iso_id", "iso_name", "iso_display_text"),
    "volume": ("pool_type",),
}
DETAILS = ("all", "min", "stats", "backoff", "vnfnics", *FIELDS_OF)


@view
class VmView(OwnedView, kw_only=True):
    """A virtual machine."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its host name"]
    display_name: Annotated[str, "the name that people see"]
    user_id: Annotated[UUID | None, "the user that deployed it"] = None
    username: Annotated[str | None, "the name of that user"] = None
    created: Annotated[Date, "when it was made"]
    last_updated: Annotated[Date | None, "when its state last changed"] = None
    state: Annotated[str, "Running, Stopped, Starting, ..."]
    ha_enable: Annotated[bool, "whether it is started again elsewhere if its host fails"]
    group: Annotated[str | None, "the instance group that its owner put it in"] = None
    group_id: Annotated[UUID | None, "the id of that group"] = None
    zone_id: Annotated[UUID, "the zone that it is in"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    host_id: Annotated[UUID | None, "the host that it runs on", Roles("Admin")] = None
    host_name: Annotated[str | None, "the name of that host", Roles("Admin")] = None
    instance_name: Annotated[str | None, "its name on the hypervisor", Roles("Admin")] = None
    template_id: Annotated[UUID | None, "the template of its root disk"] = None
    template_name: Annotated[str | None, "the name of that template"] = None
    template_display_text: Annotated[str | None, "what its owner says of that template"] = None
    template_type: Annotated[str | None, "USER, BUILTIN, ..."] = None
    template_format: Annotated[str | None, "the image format of that template"] = None
    iso_id: Annotated[UUID | None, "the ISO in its drive"] = None
    iso_name: Annotated[str | None, "the name of that ISO"] = None
    iso_display_text: Annotated[str | None, "what its owner says of that ISO"] = None
    disk_offering_id: Annotated[UUID | None, "the offering of its first data disk"] = None
    disk_offering_name: Annotated[str | None, "the name of that offering"] = None
    for_virtual_network: Annotated[bool, "whether it is on an isolated network"]
    password: Annotated[str | None, "its new password; told once, by the job that set it"] = None
    password_enabled: Annotated[bool, "whether its template takes a password from the cloud"]
    service_offering_id: Annotated[UUID, "the offering that sizes it"]
    service_offering_name: Annotated[str | None, "the name of that offering"] = None
    cpu_number: Annotated[int, "how many cores"]
    cpu_speed: Annotated[int, "the speed of a core in MHz"]
    memory: Annotated[int, "memory in MiB"]
    guest_os_id: Annotated[UUID | None, "its operating system"] = None
    os_type_id: Annotated[UUID | None, "its operating system"] = None
    os_display_name: Annotated[str | None, "the name of that operating system"] = None
    root_device_id: Annotated[int, "the device of its root disk, always 0"]
    root_device_type: Annotated[str, "always ROOT"]
    security_group: Annotated[list[GuestGroupView], "its security groups"]
    nic: Annotated[list[NicView], "its network cards"]
    ip_address: Annotated[str | None, "the address of its default network card"] = None
    public_ip: Annotated[str | None, "the public address that is all its own"] = None
    public_ip_id: Annotated[UUID | None, "the id of that address"] = None
    host_control_state: Annotated[
        str | None,
        "whether its host can be used: Enabled, Maintenance, ...",
        Roles("Admin"),
    ] = None
    hypervisor: Annotated[str, "the hypervisor that runs it"]
    details: Annotated[dict[str, str], "settings of its own"]
    key_pairs: Annotated[str | None, "the SSH key pairs that it accepts"] = None
    affinity_group: Annotated[list[dict[str, str]], "its affinity groups"]
    display_vm: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    is_dynamically_scalable: Annotated[bool, "whether it can grow while it runs"]
    boot_type: Annotated[str, "BIOS or UEFI"]
    boot_mode: Annotated[str, "Legacy or Secure"]
    pool_type: Annotated[str | None, "the type of its root disk's pool", Roles("Admin")] = None
    user_data: Annotated[str | None, "its user data in base64, if that was asked for"] = None
    user_data_id: Annotated[UUID | None, "the registered user data that it was given"] = None
    user_data_name: Annotated[str | None, "the name of that user data"] = None
    user_data_policy: Annotated[str | None, "what its template says of other user data"] = None
    user_data_details: Annotated[str | None, "the values that it was given for parameters"] = None
    lease_duration: Annotated[int | None, "the days that are left of its lease"] = None
    lease_expiry_date: Annotated[Date | None, "when its lease ends"] = None
    lease_expiry_action: Annotated[str | None, "STOP or DESTROY"] = None
    delete_protection: Annotated[bool, "whether it may not be destroyed"]
    vm_type: Annotated[str, "always User"]
    arch: Annotated[str | None, "the processor architecture of its template"] = None
    tags: Annotated[list[TagView], "its tags"]
    has_annotations: Annotated[bool, "whether there are comments on it"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None
    cpu_used: Annotated[str | None, "how busy its cores were of late"] = None
    memory_kbs: Annotated[int | None, "memory in use in KiB"] = None
    memory_int_free_kbs: Annotated[int | None, "memory that is free within it in KiB"] = None
    memory_target_kbs: Annotated[int | None, "memory that it may use in KiB"] = None
    network_kbs_read: Annotated[int | None, "KiB that it received since it started"] = None
    network_kbs_write: Annotated[int | None, "KiB that it sent since it started"] = None
    disk_kbs_read: Annotated[int | None, "KiB that it read from its disks"] = None
    disk_kbs_write: Annotated[int | None, "KiB that it wrote onto its disks"] = None

    @classmethod
    def of(cls, row: Vm, cloud: Cloud) -> VmView:
        zone = cloud[zones].get(row.zone_id)
        user = cloud[users].get(row.user_id)
        default = next((nic for nic in row.nics if nic.is_default), None)
        return cls(
            id=row.id,
            name=row.name,
            display_name=row.display_name,
            user_id=row.user_id,
            username=None if user is None else user.name,
            created=date(row.created_at_ms),
            last_updated=date(row.state_at_ms or row.created_at_ms),
            state=row.state,
            **_group(row, cloud),
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            cpu_number=row.cpu_count,
            cpu_speed=row.cpu_mhz,
            memory=row.memory_mib,
            root_device_id=0,
            root_device_type="ROOT",
            security_group=groups_of(row, cloud),
            nic=NicView.of_vm(row, cloud),
            ip_address=(default.ip4 or None) if default is not None else None,
            hypervisor=row.hypervisor,
            details=dict(row.details),
            key_pairs=",".join(row.key_pairs) or None,
            affinity_group=_affinity(row, cloud),
            display_vm=row.is_displayed,
            boot_type="BIOS" if row.boot == "bios" else "UEFI",
            boot_mode="Secure" if row.boot == "uefi-secure" else "Legacy",
            for_virtual_network=_on_isolated(row, cloud),
            delete_protection=row.is_protected,
            vm_type="User",
            tags=tags_of(row.id, cloud),
            has_annotations=is_noted(row.id, cloud),
            **_template(row, cloud),
            **_disc(row, cloud),
            **_public(row, cloud),
            **_told(row, cloud),
            **_lease(row, cloud),
            **_offering(row, cloud),
            **_place(row, cloud),
            **owner(row, cloud),
            **measured(row, cloud),
            job_id=row.job_id,
            job_status=None if row.job_id is None else 0,
        )


def _disc(row: Vm, cloud: Cloud) -> dict[str, Any]:
    """The ISO in its drive."""
    iso = cloud[isos].get(row.iso_id)
    if iso is None:
        return {}
    return {"iso_id": iso.id, "iso_name": iso.name, "iso_display_text": iso.display_text}


def _public(row: Vm, cloud: Cloud) -> dict[str, Any]:
    """The address that is its own by static NAT."""
    found = cloud[public_ip_addresses].by("vm_id", row.id)
    own = next((one for one in found if one.is_static_nat), None)
    return {} if own is None else {"public_ip": own.address, "public_ip_id": own.id}


@view
class VmMetricsView(VmView, kw_only=True):
    """A virtual machine with its measurements in words."""

    cpu_total: Annotated[str, "the speed of all its cores"]
    memory_total: Annotated[str, "all its memory"]
    network_read: Annotated[str | None, "what it received since it started"] = None
    network_write: Annotated[str | None, "what it sent since it started"] = None
    disk_read: Annotated[str | None, "what it read from its disks"] = None
    disk_write: Annotated[str | None, "what it wrote onto its disks"] = None

    @classmethod
    def of(cls, row: Vm, cloud: Cloud) -> VmMetricsView:
        plain = VmView.of(row, cloud)
        fields = {name: getattr(plain, name) for name in plain.__struct_fields__}
        return cls(**fields, **told(row, cloud))


def _template(row: Vm, cloud: Cloud) -> dict[str, Any]:
    """What the template of the root disk says; it may be gone while the guest lives on."""
    template = cloud[templates].get(row.template_id) or cloud[isos].get(row.template_id)
    if template is None:
        bare = {"password_enabled": False, "is_dynamically_scalable": bool(row.is_scalable)}
        return {"template_id": row.template_id} | bare
    os_type = cloud[os_types].get(row.os_type_id or template.os_type_id)
    return {
        "template_id": template.id,
        "template_name": template.name,
        "template_display_text": template.display_text,
        "template_type": template.template_type,
        "template_format": template.image_format,
        "password_enabled": template.password_enabled,
        "is_dynamically_scalable": (
            template.is_dynamically_scalable if row.is_scalable is None else row.is_scalable
        ),
        "guest_os_id": row.os_type_id or template.os_type_id,
        "os_type_id": row.os_type_id or template.os_type_id,
        "user_data_policy": template.user_data_policy or None,
        "os_display_name": None if os_type is None else os_type.name,
        "arch": template.arch,
    }


def _offering(row: Vm, cloud: Cloud) -> dict[str, Any]:
    offering = cloud[service_offerings].get(row.service_offering_id)
    return {
        "service_offering_id": row.service_offering_id,
        "service_offering_name": None if offering is None else offering.name,
        "ha_enable": offering is not None and offering.offer_ha,
    }


def _place(row: Vm, cloud: Cloud) -> dict[str, Any]:
    """Its disks and where it is; the place is for administrators alone."""
    host = cloud[hosts].get(row.host_id)
    disks = sorted(cloud[volumes].by("vm_id", row.id), key=lambda disk: disk.device or 0)
    pool = cloud[storage_pools].get(disks[0].pool_id) if disks else None
    data = next((disk for disk in disks if disk.device and disk.offering_id), None)
    offering = None if data is None else cloud[disk_offerings].get(data.offering_id)
    return {
        "disk_offering_id": None if offering is None else offering.id,
        "disk_offering_name": None if offering is None else offering.name,
        "host_id": row.host_id,
        "host_name": None if host is None else host.name,
        "host_control_state": None if host is None else control_state(host),
        "instance_name": row.instance_name or None,
        "pool_type": None if pool is None else pool.pool_type,
    }


def _group(row: Vm, cloud: Cloud) -> dict[str, Any]:
    group = cloud[instance_groups].get(row.group_id)
    return {} if group is None else {"group": group.name, "group_id": group.id}


def _affinity(row: Vm, cloud: Cloud) -> list[dict[str, str]]:
    """Its affinity groups, as far as they are still there."""
    found = (cloud[affinity_groups].get(one) for one in row.affinity_group_ids)
    return [
        {"id": str(g.id), "name": g.name, "type": g.kind, "description": g.description}
        for g in found
        if g is not None
    ]


def _on_isolated(row: Vm, cloud: Cloud) -> bool:
    found = (cloud[networks].get(nic.network_id) for nic in row.nics)
    return any(network is not None and network.guest_ip_type == "Isolated" for network in found)


def _told(row: Vm, cloud: Cloud) -> dict[str, Any]:
    """The user data that it is told at its start."""
    told = cloud[user_datas].get(row.user_data_id)
    details = row.user_data_details
    return {
        "user_data_id": None if told is None else told.id,
        "user_data_name": None if told is None else told.name,
        "user_data_details": msgspec.json.encode(details).decode() if details else None,
    }


def _lease(row: Vm, cloud: Cloud) -> dict[str, Any]:
    if not row.lease_ends_at_ms:
        return {}
    left_ms = max(0, row.lease_ends_at_ms - cloud.at_ms)
    return {
        "lease_duration": -(-left_ms // DAY_MS),
        "lease_expiry_date": date(row.lease_ends_at_ms),
        "lease_expiry_action": row.lease_action,
    }


def trimmed(made: VmView, wanted: tuple[str, ...]) -> VmView:
    """Only the groups of fields that were asked for; what a list holds is left empty."""
    if "all" in wanted:
        return made
    for name, fields in FIELDS_OF.items():
        if name not in wanted:
            for field in fields:
                setattr(made, field, [] if isinstance(getattr(made, field), list) else None)
    return made


@view
class VmPasswordView(View, kw_only=True):
    """The password of a virtual machine, for its key alone to read."""

    encrypted_password: Annotated[str, "RSA (PKCS #1 v1.5) for its SSH key, in base64"]
