"""What may be asked about ISOs: what may be asked about templates, of another noun.

`template_id` is the id of the ISO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from engine.intents.ending import ending
from engine.intents.template import (
    CopyTemplate,
    DeleteTemplate,
    MoveTemplate,
    RegisterTemplate,
    ShareTemplate,
    UpdateTemplate,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterIso(RegisterTemplate):
    NOUN: ClassVar[str] = "iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateIso(UpdateTemplate):
    NOUN: ClassVar[str] = "iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareIso(ShareTemplate):
    NOUN: ClassVar[str] = "iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyIso(CopyTemplate):
    NOUN: ClassVar[str] = "iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteIso(DeleteTemplate):
    NOUN: ClassVar[str] = "iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveIso(MoveTemplate):
    NOUN: ClassVar[str] = "iso"


ending("iso", lambda iso: DeleteIso(template_id=iso.id, even_read=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachIso:
    """Put a disc into the drive of a guest, whether that runs or not.

    `forced` takes out what is in the drive, and does not wait for a guest that holds it.
    """

    vm_id: UUID
    iso_id: UUID
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachIso:
    vm_id: UUID
