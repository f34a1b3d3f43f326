"""Limits as they are read: what was said for an owner, else for the domains above, else settings.

What is found is remembered until something that could change it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar
from uuid import UUID

import aggregates.account
import aggregates.domain
import aggregates.setting  # noqa: F401 - their topics are named below
from aggregates.account import Account
from aggregates.base import Recorded
from aggregates.domain import Domain
from aggregates.resource_limit import (
    BY_NUMBER,
    GIB,
    RESOURCES,
    UNLIMITED,
    Resource,
    ResourceLimit,
)
from projections.account import accounts
from projections.attached import Attached
from projections.cloud import Cloud, projection
from projections.counts import Counts
from projections.disk_offering import disk_offerings
from projections.domain import domains
from projections.service_offering import service_offerings
from projections.setting import value_of
from projections.table import table
from projections.tables import Tables

resource_limits = table(
    ResourceLimit, indexed=("owner_id",), make=lambda spec: Attached(spec, "owner_id")
)

TAGS = {"host": "resource.limit.host.tags", "storage": "resource.limit.storage.tags"}
_CHANGES = ("resource_limit", "setting", "account", "domain")


@projection
class Limits:
    """How much each owner may have of each resource, in the resource's unit."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        f"{kind}.{verb}" for kind in _CHANGES for verb in ("created", "updated", "removed")
    )

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], int] = {}
        self._most: dict[int, dict[str, int]] = {}
        self._tags: dict[str, tuple[str, ...]] = {}

    def bind(self, tables: Tables) -> None:
        """Limits are read from these tables."""
        self._tables = tables

    def fold(self, recorded: Recorded) -> None:
        self._known.clear()
        self._most.clear()
        self._tags.clear()

    def encode(self) -> bytes:
        """Nothing: all of it is in tables."""
        return b""

    def restore(self, encoded: bytes) -> None:
        self.derive()

    def derive(self) -> None:
        self._known.clear()
        self._most.clear()
        self._tags.clear()

    def of(self, owner_id: UUID, resource: str, tag: str = "") -> int:
        """The limit that counts for an account or a domain; -1 is without limit."""
        named = (owner_id.int, resource, tag)
        found = self._known.get(named)
        if found is None:
            found = self._known[named] = self._find(owner_id, RESOURCES[resource], tag)
        return found

    def in_small(self, owner_id: UUID, resource: str, tag: str = "") -> int:
        """The same in what counts are in: bytes for what limits say in GiB."""
        found = self.of(owner_id, resource, tag)
        return found if found == UNLIMITED else found * RESOURCES[resource].unit

    def most(self, owner: int) -> dict[str, int]:
        """The limits of the owner whose id has this number, of what is limited; in small."""
        found = self._most.get(owner)
        if found is None:
            of = partial(self.in_small, UUID(int=owner))
            found = {name: most for name in RESOURCES if (most := of(name)) != UNLIMITED}
            self._most[owner] = found
        return found

    def tags(self, resource: str) -> tuple[str, ...]:
        """The tags by which this resource is limited besides; mostly none."""
        found = self._tags.get(resource)
        if found is None:
            setting = TAGS.get(RESOURCES[resource].tagged_by)
            text = value_of(self._tables, setting) if setting else ""
            words = (word.strip() for word in text.split(","))
            found = self._tags[resource] = tuple(dict.fromkeys(filter(None, words)))
        return found

    @property
    def by_tag(self) -> bool:
        """Is anything limited by tags at all?"""
        return bool(self.tags("user_vm") or self.tags("volume"))

    def said(self, owner_id: UUID, resource: str, tag: str = "") -> ResourceLimit | None:
        """What was said for just this owner."""
        rows = self._tables[resource_limits].by("owner_id", owner_id)
        return next((row for row in rows if (row.resource, row.tag) == (resource, tag)), None)

    def _find(self, owner_id: UUID, resource: Resource, tag: str) -> int:
        domain = self._tables[domains].get(owner_id)
        if domain is not None:
            return self._of_domain(domain, resource, tag)
        account = self._tables[accounts].get(owner_id)
        return UNLIMITED if account is None else self._of_account(account, resource, tag)

    def _of_account(self, account: Account, resource: Resource, tag: str) -> int:
        if account.role_type == "Admin":
            return UNLIMITED
        said = self.said(account.id, resource.name, tag)
        if said is not None:
            return said.maximum
        if tag:
            return self.of(account.id, resource.name)
        kind = "project" if account.role_type == "Project" else "account"
        if kind == resource.name:  # a project has no projects, so nothing is said of how many
            return UNLIMITED
        return int(value_of(self._tables, f"max.{kind}.{resource.words}"))

    def _of_domain(self, domain: Domain, resource: Resource, tag: str) -> int:
        """The root domain has no limit; others have their own, or that of the nearest above."""
        for one in self._upwards(domain):
            said = self.said(one.id, resource.name, tag)
            if said is not None:
                return said.maximum
        if domain.parent_id is None:
            return UNLIMITED
        if tag:
            return self.of(domain.id, resource.name)
        return int(value_of(self._tables, f"max.domain.{resource.words}"))

    def _upwards(self, domain: Domain) -> Iterator[Domain]:
        one: Domain | None = domain
        while one is not None and one.parent_id is not None:
            yield one
            one = self._tables[domains].get(one.parent_id)


def used(cloud: Cloud, owner_id: UUID, resource: str, tag: str = "", *, soon: bool = False) -> int:
    """How much an account or domain has, of things with this tag if one is given.

    `soon` also counts what is decided and not on disk yet.
    """
    counts = cloud.view(Counts)
    read = counts.expected if soon else counts.count
    if not tag:
        return read(owner_id, resource)
    return sum(read(owner_id, resource, offering_id) for offering_id in _tagged(cloud, tag))


def _tagged(cloud: Cloud, tag: str) -> Iterator[UUID]:
    """The offerings of guests and disks that carry a tag."""
    for guests in cloud[service_offerings]:
        if tag in guests.host_tags:
            yield guests.id
    for disks in cloud[disk_offerings]:
        if tag in disks.storage_tags:
            yield disks.id


def tags_of_offering(cloud: Cloud, offering_id: UUID) -> tuple[str, ...]:
    """The tags of the hosts, or of the pools, that things of an offering may be on."""
    guest = cloud[service_offerings].get(offering_id)
    if guest is not None:
        return tuple(guest.host_tags)
    disk = cloud[disk_offerings].get(offering_id)
    return () if disk is None else tuple(disk.storage_tags)


__all__ = [
    "BY_NUMBER",
    "GIB",
    "RESOURCES",
    "UNLIMITED",
    "Limits",
    "Resource",
    "ResourceLimit",
    "resource_limits",
    "tags_of_offering",
    "used",
]
