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
from api.views.vm_vitals import in_words, measured
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
from projections.template import Image, templates
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

    MEASURED = measured

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
        image = _image_of(row, cloud)
        offering = cloud[service_offerings].get(row.service_offering_id)
        scalable = image is not None and image.is_dynamically_scalable
        made = cls(
            id=row.id,
            name=row.name,
            display_name=row.display_name,
            created=date(row.created_at_ms),
            state=row.state,
            ha_enable=offering is not None and offering.offer_ha,
            zone_id=row.zone_id,
            for_virtual_network=_on_isolated(row, cloud),
            password_enabled=image is not None and image.password_enabled,
            service_offering_id=row.service_offering_id,
            cpu_number=row.cpu_count,
            cpu_speed=row.cpu_mhz,
            memory=row.memory_mib,
            root_device_id=0,
            root_device_type="ROOT",
            security_group=groups_of(row, cloud),
            nic=NicView.of_vm(row, cloud),
            hypervisor=row.hypervisor,
            details=dict(row.details),
            affinity_group=_affinity(row, cloud),
            is_dynamically_scalable=scalable if row.is_scalable is None else row.is_scalable,
            boot_type="BIOS" if row.boot == "bios" else "UEFI",
            boot_mode="Secure" if row.boot == "uefi-secure" else "Legacy",
            delete_protection=row.is_protected,
            vm_type="User",
            tags=tags_of(row.id, cloud),
            has_annotations=is_noted(row.id, cloud),
        )
        # To set a field takes a tenth of what it takes to name it above.
        for part in PARTS:
            part(made, row, cloud)
        return made


def _words(made: VmView, row: Vm, cloud: Cloud) -> None:
    """What may be missing of the guest itself, and the names of what it names."""
    zone, user = cloud[zones].get(row.zone_id), cloud[users].get(row.user_id)
    offering = cloud[service_offerings].get(row.service_offering_id)
    default = next((nic for nic in row.nics if nic.is_default), None)
    made.last_updated = date(row.state_at_ms or row.created_at_ms)
    made.user_id, made.username = row.user_id, None if user is None else user.name
    made.zone_name = None if zone is None else zone.name
    made.service_offering_name = None if offering is None else offering.name
    made.template_id, made.display_vm = row.template_id, row.is_displayed
    made.ip_address = None if default is None else default.ip4 or None
    made.key_pairs = ",".join(row.key_pairs) or None
    if row.job_id is not None:
        made.job_id, made.job_status = row.job_id, 0


def _disc(made: VmView, row: Vm, cloud: Cloud) -> None:
    """The ISO in its drive."""
    iso = cloud[isos].get(row.iso_id)
    if iso is not None:
        made.iso_id, made.iso_name, made.iso_display_text = iso.id, iso.name, iso.display_text


def _public(made: VmView, row: Vm, cloud: Cloud) -> None:
    """The address that is its own by static NAT."""
    for one in cloud[public_ip_addresses].by("vm_id", row.id):
        if one.is_static_nat:
            made.public_ip, made.public_ip_id = one.address, one.id
            return


@view
class VmMetricsView(VmView, kw_only=True):
    """A virtual machine with its measurements in words."""

    MEASURED = in_words

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
        return cls(
            **fields | in_words(row, cloud),
            cpu_total=f"{row.cpu_count * row.cpu_mhz / 1000:.1f} Ghz",
            memory_total=f"{row.memory_mib / 1024:.2f} GB",
        )


def _image(made: VmView, row: Vm, cloud: Cloud) -> None:
    """What the image of the root disk says; it may be gone while the guest lives on."""
    image = _image_of(row, cloud)
    if image is None:
        return
    os_type = cloud[os_types].get(row.os_type_id or image.os_type_id)
    made.template_name, made.template_display_text = image.name, image.display_text
    made.template_type, made.template_format = image.template_type, image.image_format
    made.guest_os_id = made.os_type_id = row.os_type_id or image.os_type_id
    made.os_display_name = None if os_type is None else os_type.name
    made.user_data_policy = image.user_data_policy or None
    made.arch = image.arch


def _image_of(row: Vm, cloud: Cloud) -> Image | None:
    return cloud[templates].get(row.template_id) or cloud[isos].get(row.template_id)


def _disks(made: VmView, row: Vm, cloud: Cloud) -> None:
    """Where its root disk is, and the offering of its first data disk."""
    disks = sorted(cloud[volumes].by("vm_id", row.id), key=lambda disk: disk.device or 0)
    if not disks:
        return
    pool = cloud[storage_pools].get(disks[0].pool_id)
    made.pool_type = None if pool is None else pool.pool_type
    data = next((disk for disk in disks if disk.device and disk.offering_id), None)
    offering = None if data is None else cloud[disk_offerings].get(data.offering_id)
    if offering is not None:
        made.disk_offering_id, made.disk_offering_name = offering.id, offering.name


def _place(made: VmView, row: Vm, cloud: Cloud) -> None:
    """Where it is, for administrators alone."""
    host = cloud[hosts].get(row.host_id)
    made.host_id, made.instance_name = row.host_id, row.instance_name or None
    if host is not None:
        made.host_name, made.host_control_state = host.name, control_state(host)


def _group(made: VmView, row: Vm, cloud: Cloud) -> None:
    group = cloud[instance_groups].get(row.group_id)
    if group is not None:
        made.group, made.group_id = group.name, group.id


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


def _told(made: VmView, row: Vm, cloud: Cloud) -> None:
    """The user data that it is told at its start."""
    told = cloud[user_datas].get(row.user_data_id)
    if told is not None:
        made.user_data_id, made.user_data_name = told.id, told.name
    if row.user_data_details:
        made.user_data_details = msgspec.json.encode(row.user_data_details).decode()


def _lease(made: VmView, row: Vm, cloud: Cloud) -> None:
    if row.lease_ends_at_ms:
        left_ms = max(0, row.lease_ends_at_ms - cloud.at_ms)
        made.lease_duration = -(-left_ms // DAY_MS)
        made.lease_expiry_date = date(row.lease_ends_at_ms)
        made.lease_expiry_action = row.lease_action


def _owned(made: VmView, row: Vm, cloud: Cloud) -> None:
    _put(made, owner(row, cloud))


def _measured(made: VmView, row: Vm, cloud: Cloud) -> None:
    _put(made, measured(row, cloud))


def _put(made: VmView, told: dict[str, Any]) -> None:
    for name, value in told.items():
        setattr(made, name, value)


PARTS = (_owned, _words, _image, _disks, _place, _group, _disc, _public, _told, _lease, _measured)


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
