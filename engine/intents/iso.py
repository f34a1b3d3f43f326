"""What may be asked about ISOs: what may be asked about templates, of another noun.

`template_id` is the id of the ISO.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending
from engine.intents.template import (
    CopyTemplate,
    DeleteTemplate,
    MoveTemplate,
    RegisterTemplate,
    ShareTemplate,
    UpdateTemplate,
)


class RegisterIso(RegisterTemplate, frozen=True, kw_only=True):
    NOUN: ClassVar[str] = "iso"


class UpdateIso(UpdateTemplate, frozen=True, kw_only=True):
    NOUN: ClassVar[str] = "iso"


class ShareIso(ShareTemplate, frozen=True, kw_only=True):
    NOUN: ClassVar[str] = "iso"


class CopyIso(CopyTemplate, frozen=True, kw_only=True):
    NOUN: ClassVar[str] = "iso"


class DeleteIso(DeleteTemplate, frozen=True, kw_only=True):
    NOUN: ClassVar[str] = "iso"


class MoveIso(MoveTemplate, frozen=True, kw_only=True):
    NOUN: ClassVar[str] = "iso"


ending("iso", lambda iso: DeleteIso(template_id=iso.id, even_read=True))


class AttachIso(Struct, frozen=True, kw_only=True):
    """Put a disc into the drive of a guest, whether that runs or not.

    `forced` takes out what is in the drive, and does not wait for a guest that holds it.
    """

    vm_id: UUID
    iso_id: UUID
    forced: bool = False


class DetachIso(Struct, frozen=True, kw_only=True):
    vm_id: UUID
