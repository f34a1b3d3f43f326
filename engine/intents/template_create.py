"""What may be asked about templates that are made from disks."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from engine.intents.template import RegisterTemplate


class CreateTemplate(Struct, frozen=True, kw_only=True):
    """Make a template of a volume whose guest does not run, or of a snapshot.

    `describe` says everything of the template but where its image is.
    """

    NOUN: ClassVar[str] = "template"

    describe: RegisterTemplate
    volume_id: UUID | None = None
    snapshot_id: UUID | None = None

    @property
    def template_id(self) -> UUID:
        return self.describe.template_id


class PrepareTemplate(Struct, frozen=True, kw_only=True):
    """Bring a template into pools before anybody needs it there."""

    template_id: UUID
    zone_id: UUID
    pool_ids: list[UUID]
