"""Volumes: destroy, recover and delete them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.vm_checks import open_to_users
from api.declare import Caller, Job, Names, Success, command
from api.errors import Denied
from api.views.volume import VolumeView
from engine.intents.job import AsJob
from engine.intents.volume import DeleteVolume, DestroyVolume, RecoverVolume
from projections.volume import Volume, volumes

VolumeId = Annotated[UUID, "the volume", Names("volume", right="operate")]


def require_ender(caller: Caller, volume_id: UUID) -> None:
    """Expunging and recovering are for everybody, unless a setting keeps users from it."""
    name = "allow.user.expunge.recover.volume"
    if not open_to_users(caller, name, caller.cloud[volumes][volume_id].account_id):
        raise Denied(
            f"expunging and recovering volumes are for administrators while setting {name} is "
            "false: ask one, or destroy it without expunge"
        )


@command("deleteVolume", returns=Success, allow="ARDU", action="VOLUME.DELETE")
class DeleteDataVolume:
    """Delete a volume that no virtual machine has, destroyed before or not."""

    id: VolumeId

    async def run(self, caller: Caller) -> None:
        await caller.perform(DeleteVolume(volume_id=self.id))


@command(
    "destroyVolume",
    returns=VolumeView,
    key="volume",
    allow="ARDU",
    is_async=True,
    since="4.14.0",
    action="VOLUME.DESTROY",
)
class DestroyAnyVolume:
    """Put a detached volume away: it can be recovered until it is expunged."""

    id: VolumeId
    expunge: Annotated[bool | None, "end it at once: nothing is recovered"] = None

    async def run(self, caller: Caller) -> Job:
        if self.expunge:
            require_ender(caller, self.id)
            return await caller.submit(DeleteVolume(volume_id=self.id))
        ask = DestroyVolume(volume_id=self.id)
        return await caller.submit(AsJob(ask=ask, subject_kind="volume", subject_id=self.id))


@command(
    "recoverVolume",
    returns=VolumeView,
    key="volume",
    allow="ARDU",
    since="4.14.0",
    action="VOLUME.RECOVER",
)
class RecoverAnyVolume:
    """Take a destroyed volume back."""

    id: VolumeId

    async def run(self, caller: Caller) -> Volume:
        require_ender(caller, self.id)
        await caller.decide(RecoverVolume(volume_id=self.id))
        return caller.cloud[volumes][self.id]
