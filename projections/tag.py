"""Tags as they are read."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from aggregates.tag import Tag
from projections.attached import Attached
from projections.cloud import Cloud
from projections.table import table

tags = table(Tag, indexed=("resource_id", "account_id", "domain_id", "key", "value"), make=Attached)


def tags_on(cloud: Cloud, resource_id: UUID) -> dict[str, str]:
    """The tags of a thing, by key."""
    return {tag.key: tag.value for tag in cloud[tags].by("resource_id", resource_id)}


def tagged(cloud: Cloud, kind: str, wanted: Mapping[str, str]) -> Iterator[UUID]:
    """The things of a kind that carry any of these tags, each once, found by an index."""
    seen: set[int] = set()
    for key, value in wanted.items():
        by_key, by_value = cloud[tags].by("key", key), cloud[tags].by("value", value)
        for tag in by_key if len(by_key) < len(by_value) else by_value:
            if tag.kind != kind or tag.key != key or tag.value != value:
                continue
            number = tag.resource_id.int
            if number not in seen:
                seen.add(number)
                yield tag.resource_id


__all__ = ["Tag", "tagged", "tags", "tags_on"]
