"""What may be asked of a pod. Its management addresses are an address space of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePod:
    """`space_id` is the address space that the pod's range becomes, if it has one."""

    id: UUID
    space_id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePod:
    """A changed range becomes the new space `space_id`; refused while the old one is in use."""

    id: UUID
    space_id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePod:
    id: UUID
