"""Pure: how what is ours is marked in OpenStack, and what the controller calls it there.

Servers bear a tag with the guest's id, since tags are looked up by an index; the rest is metadata.
Volumes and images bear metadata. A disk's path is made of the controller's ids alone, so that it
stays the same when another volume takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

GUEST_TAG = "sagastack-guest-"
KEY = "sagastack_key"
HOST = "sagastack_host"
VOLUME = "sagastack_volume"
SNAPSHOT = "sagastack_snapshot"
POOL = "sagastack_pool"
BASE = "sagastack_base"
MAKING = "sagastack_making"
IMAGE = "sagastack_image"
BY = "sagastack_by"
SCHEME = "cinder:"


def guest_tag(guest_id: UUID) -> str:
    return f"{GUEST_TAG}{guest_id}"


def key_pair(guest_id: UUID) -> str:
    return f"sagastack-{guest_id}"


def guest_of(server: Mapping[str, Any]) -> UUID | None:
    """The guest that a server is; None for one that no controller made."""
    for tag in server.get("tags", ()):
        if tag.startswith(GUEST_TAG):
            return uuid_of(tag.removeprefix(GUEST_TAG))
    return None


def disk_path(pool_id: UUID | str, volume_id: UUID | str) -> str:
    return f"{SCHEME}{pool_id}/{volume_id}"


def snapshot_path(pool_id: UUID | str, snapshot_id: UUID | str) -> str:
    return f"{SCHEME}{pool_id}/snapshot/{snapshot_id}"


def volume_path(volume: Mapping[str, Any]) -> str:
    """What a volume is called here: by our ids, or a stranger's by Cinder's id and its name."""
    marks = volume["metadata"]
    if VOLUME in marks and POOL in marks:
        return disk_path(marks[POOL], marks[VOLUME])
    if SNAPSHOT in marks and POOL in marks:
        return snapshot_path(marks[POOL], marks[SNAPSHOT])
    return f"{SCHEME}volume/{volume['id']}/{volume.get('name') or ''}"


def stranger_in(path: str) -> str:
    """Cinder's id of a stranger's volume, or empty if the path is none of such."""
    parts = path.removeprefix(SCHEME).split("/")
    return parts[1] if path.startswith(f"{SCHEME}volume/") and len(parts) > 1 else ""


def pool_in(path: str) -> str:
    """The pool that a disk of ours lies in by its path."""
    return path.removeprefix(SCHEME).split("/")[0] if path.startswith(SCHEME) else ""


def uuid_of(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
