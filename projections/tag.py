"""Tags as they are read."""

from uuid import UUID

from aggregates.tag import Tag
from projections.attached import Attached
from projections.cloud import Cloud
from projections.table import table

tags = table(Tag, indexed=("resource_id", "account_id", "domain_id", "key"), make=Attached)


def tags_on(cloud: Cloud, resource_id: UUID) -> dict[str, str]:
    """The tags of a thing, by key."""
    return {tag.key: tag.value for tag in cloud[tags].by("resource_id", resource_id)}


__all__ = ["Tag", "tags", "tags_on"]
