"""How a volume comes from outside: its image is kept by the controller until a guest gets it."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Event, event
from aggregates.volume import Volume, VolumeState


@event("volume.upload_begun")
class VolumeUploadBegun(Event, frozen=True, kw_only=True):
    """It waits for its image, or is getting it; `path` is where that shall lie."""

    state: VolumeState
    path: str
    image_format: str
    url: str
    job_id: UUID | None = None

    def apply(self, row: Volume, at_ms: int) -> None:
        row.state, row.job_id = self.state, self.job_id
        row.upload_path, row.upload_format = self.path, self.image_format


@event("volume.uploaded")
class VolumeUploaded(Event, frozen=True, kw_only=True):
    """Its image is here and was looked at; `size_bytes` is what a guest will see."""

    size_bytes: int
    format: str

    def apply(self, row: Volume, at_ms: int) -> None:
        row.size_bytes, row.upload_format = self.size_bytes, self.format
        row.state, row.job_id = VolumeState.UPLOADED, None


@event("volume.upload_failed")
class VolumeUploadFailed(Event, frozen=True, kw_only=True):
    """No image could be had; it stays so that its owner can read why."""

    why: str

    def apply(self, row: Volume, at_ms: int) -> None:
        row.state, row.job_id, row.upload_error = VolumeState.UPLOAD_ERROR, None, self.why
        row.upload_path = ""


@event("volume.upload_dropped")
class VolumeUploadDropped(Event, frozen=True, kw_only=True):
    """It has a disk on a pool by now; the image that it came from is gone."""

    def apply(self, row: Volume, at_ms: int) -> None:
        row.upload_path = ""
