"""Limits and counts in answers: by themselves, and in what is shown of accounts and domains."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, View, view
from api.views.owner import OwnedView, owner, wire_path
from projections.account import accounts
from projections.domain import domains
from projections.resource_limit import GIB, RESOURCES, UNLIMITED, Limits, Resource, used


@view
class ResourceLimitView(OwnedView, kw_only=True):
    """How much of something an owner may have."""

    resource_type: Annotated[str, "the number of the kind"]
    resource_type_name: Annotated[str, "the kind"]
    max: Annotated[int, "how much; -1 is without limit; storage in GiB, memory in MiB"]
    tag: Annotated[str | None, "only of what is for hosts or pools with this tag"] = None

    @classmethod
    def made(cls, owner_id: UUID, one: Resource, tag: str, cloud: Cloud) -> ResourceLimitView:
        return cls(
            resource_type=str(one.number),
            resource_type_name=one.name,
            max=cloud.view(Limits).of(owner_id, one.name, tag),
            tag=tag or None,
            **_whose(owner_id, cloud),
        )


@view
class ResourceCountView(OwnedView, kw_only=True):
    """How much of something an owner has."""

    resource_type: Annotated[str, "the number of the kind"]
    resource_type_name: Annotated[str, "the kind"]
    resource_count: Annotated[int, "how much; storage in bytes, memory in MiB"]
    tag: Annotated[str | None, "only of what is for hosts or pools with this tag"] = None

    @classmethod
    def made(cls, owner_id: UUID, one: Resource, tag: str, cloud: Cloud) -> ResourceCountView:
        return cls(
            resource_type=str(one.number),
            resource_type_name=one.name,
            resource_count=used(cloud, owner_id, one.name, tag),
            tag=tag or None,
            **_whose(owner_id, cloud),
        )


@view
class TaggedView(View, kw_only=True):
    """A limit by tag, with what is used of it."""

    resource_type: Annotated[int, "the number of the kind"]
    resource_type_name: Annotated[str, "the kind"]
    tag: Annotated[str, "the tag"]
    limit: Annotated[int, "how much there may be; -1 is without limit"]
    total: Annotated[int, "how much there is"]
    available: Annotated[int, "how much more there may be; -1 is without limit"]


class LimitedView(View, kw_only=True):
    """What a view of an account, a domain or a project shows of its limits and counts."""

    vm_limit: Annotated[str | None, "guests that it may have"] = None
    vm_total: Annotated[int | None, "guests that it has"] = None
    vm_available: Annotated[str | None, "guests that it may have besides"] = None
    ip_limit: Annotated[str | None, "public addresses that it may have"] = None
    ip_total: Annotated[int | None, "public addresses that it has"] = None
    ip_available: Annotated[str | None, "public addresses that it may have besides"] = None
    volume_limit: Annotated[str | None, "volumes that it may have"] = None
    volume_total: Annotated[int | None, "volumes that it has"] = None
    volume_available: Annotated[str | None, "volumes that it may have besides"] = None
    snapshot_limit: Annotated[str | None, "snapshots that it may have"] = None
    snapshot_total: Annotated[int | None, "snapshots that it has"] = None
    snapshot_available: Annotated[str | None, "snapshots that it may have besides"] = None
    template_limit: Annotated[str | None, "templates and ISOs that it may have"] = None
    template_total: Annotated[int | None, "templates and ISOs that it has"] = None
    template_available: Annotated[str | None, "templates and ISOs that it may have besides"] = None
    network_limit: Annotated[str | None, "networks that it may have"] = None
    network_total: Annotated[int | None, "networks that it has"] = None
    network_available: Annotated[str | None, "networks that it may have besides"] = None
    vpc_limit: Annotated[str | None, "VPCs that it may have"] = None
    vpc_total: Annotated[int | None, "VPCs that it has"] = None
    vpc_available: Annotated[str | None, "VPCs that it may have besides"] = None
    cpu_limit: Annotated[str | None, "cores that its guests may have"] = None
    cpu_total: Annotated[int | None, "cores that its guests have"] = None
    cpu_available: Annotated[str | None, "cores that its guests may have besides"] = None
    memory_limit: Annotated[str | None, "MiB of memory that its guests may have"] = None
    memory_total: Annotated[int | None, "MiB of memory that its guests have"] = None
    memory_available: Annotated[str | None, "MiB that its guests may have besides"] = None
    primary_storage_limit: Annotated[str | None, "GiB that its volumes may have"] = None
    primary_storage_total: Annotated[int | None, "GiB that its volumes have"] = None
    primary_storage_available: Annotated[str | None, "GiB that they may have besides"] = None
    secondary_storage_limit: Annotated[
        str | None, "GiB that its templates, ISOs and snapshots may have"
    ] = None
    secondary_storage_total: Annotated[float | None, "GiB that these have"] = None
    secondary_storage_available: Annotated[str | None, "GiB that they may have besides"] = None
    backup_limit: Annotated[str | None, "backups that it may have"] = None
    backup_total: Annotated[int | None, "backups that it has"] = None
    backup_available: Annotated[str | None, "backups that it may have besides"] = None
    backup_storage_limit: Annotated[str | None, "GiB that backups may have"] = None
    backup_storage_total: Annotated[int | None, "GiB that backups have"] = None
    backup_storage_available: Annotated[str | None, "GiB that backups may have besides"] = None
    bucket_limit: Annotated[str | None, "buckets that it may have"] = None
    bucket_total: Annotated[int | None, "buckets that it has"] = None
    bucket_available: Annotated[str | None, "buckets that it may have besides"] = None
    object_storage_limit: Annotated[str | None, "GiB that buckets may have"] = None
    object_storage_total: Annotated[int | None, "GiB that buckets have"] = None
    object_storage_available: Annotated[str | None, "GiB that buckets may have besides"] = None
    gpu_limit: Annotated[str | None, "GPUs that it may have"] = None
    gpu_total: Annotated[int | None, "GPUs that it has"] = None
    gpu_available: Annotated[str | None, "GPUs that it may have besides"] = None
    tagged_resources: Annotated[list[TaggedView] | None, "what is limited by tags"] = None


class ProjectLimitedView(LimitedView, kw_only=True):
    """The same for whoever can have projects."""

    project_limit: Annotated[str | None, "projects that it may have"] = None
    project_total: Annotated[int | None, "projects that it has"] = None
    project_available: Annotated[str | None, "projects that it may have besides"] = None


# What the fields above call a resource.
WORDS = {
    "user_vm": "vm",
    "public_ip": "ip",
    "primary_storage": "primary_storage",
    "secondary_storage": "secondary_storage",
}
BOUNDLESS = "Unlimited"


def limits_of(owner_id: UUID, cloud: Cloud, *, projects: bool = True) -> dict[str, Any]:
    """The fields of a `ProjectLimitedView`, or without `projects` of a `LimitedView`."""
    shown: dict[str, Any] = {}
    limits = cloud.view(Limits)
    for name, one in RESOURCES.items():
        if name == "project" and not projects:
            continue
        word, most = WORDS.get(name, name), limits.of(owner_id, name)
        total: float = used(cloud, owner_id, name)
        if one.unit == GIB:
            total = round(total / GIB, 2) if name == "secondary_storage" else int(total // GIB)
        shown[f"{word}_limit"] = BOUNDLESS if most == UNLIMITED else str(most)
        shown[f"{word}_total"] = total
        shown[f"{word}_available"] = BOUNDLESS if most == UNLIMITED else _left(most, total)
    tagged = [
        _tagged(owner_id, one, tag, cloud)
        for one in RESOURCES.values()
        for tag in limits.tags(one.name)
    ]
    return shown | {"tagged_resources": tagged or None}


def _left(most: int, total: float) -> str:
    left = most - total
    return str(int(left)) if left == int(left) else f"{left:.2f}"


def _tagged(owner_id: UUID, one: Resource, tag: str, cloud: Cloud) -> TaggedView:
    most = cloud.view(Limits).of(owner_id, one.name, tag)
    total = used(cloud, owner_id, one.name, tag) // one.unit
    return TaggedView(
        resource_type=one.number,
        resource_type_name=one.name,
        tag=tag,
        limit=most,
        total=total,
        available=UNLIMITED if most == UNLIMITED else most - total,
    )


def _whose(owner_id: UUID, cloud: Cloud) -> dict[str, Any]:
    """The fields that tell whose limit it is: an account's or a domain's."""
    account, domain = cloud[accounts].get(owner_id), cloud[domains].get(owner_id)
    if account is not None:
        return owner(_Owned(account.id, account.domain_id), cloud)
    assert domain is not None
    return {"domain_id": domain.id, "domain": domain.name, "domain_path": wire_path(domain.path)}


class _Owned:
    """What `owner` asks of a row."""

    def __init__(self, account_id: UUID, domain_id: UUID) -> None:
        self.account_id, self.domain_id = account_id, domain_id
