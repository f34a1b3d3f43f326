"""What may be asked of a pod. Its management addresses are an address space of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class CreatePod(Struct, frozen=True, kw_only=True):
    """`space_id` is the address space that the pod's range becomes, if it has one."""

    id: UUID
    space_id: UUID
    fields: dict[str, Any]


class UpdatePod(Struct, frozen=True, kw_only=True):
    """A changed range becomes the new space `space_id`; refused while the old one is in use.

    Its hosts are told by and by whether they take guests.
    """

    id: UUID
    space_id: UUID
    fields: dict[str, Any]


class RemovePod(Struct, frozen=True, kw_only=True):
    id: UUID
