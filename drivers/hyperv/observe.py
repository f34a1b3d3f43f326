"""Which guests a host has, in one question, and one of them when it has nothing else to do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable
from drivers.hyperv.client import Client
from drivers.hyperv.translate import CARD, DRIVE, PROCESSOR, VM, Guest, read_guests
from drivers.hyperv.words import Cmd, Statement, ask, cmd


def survey(machines: Cmd) -> tuple[Statement, ...]:
    """Machines with their processors, drives and cards."""
    return (
        ask(machines, properties=VM),
        ask(machines, cmd("Get-VMProcessor"), properties=PROCESSOR),
        ask(machines, cmd("Get-VMHardDiskDrive"), properties=DRIVE),
        ask(machines, cmd("Get-VMNetworkAdapter"), properties=CARD),
    )


SURVEY = survey(cmd("Get-VM"))
LOOK_S = 0.2
LOOK_MAX_S = 5.0


class Observer:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[UUID, str] = {}

    async def all(self) -> list[Guest]:
        told = await self._client.ask(*SURVEY, doing="list guests")
        return list(read_guests(told))

    async def find(self, guest_id: UUID) -> Guest | None:
        """By the machine that it was last seen as; by all of them only if it is not that."""
        if (vm_id := self._seen.get(guest_id)) is not None:
            one = survey(cmd("Get-VM", quiet=True, Id=vm_id))
            told = await self._client.ask(*one, doing=f"look at guest {guest_id}")
            for guest in read_guests(told):
                if guest.note is not None and guest.note.guest_id == guest_id:
                    return guest
            self._seen.pop(guest_id, None)
        for guest in await self.all():
            if guest.note is not None and guest.note.guest_id == guest_id:
                self._seen[guest_id] = guest.vm_id
                return guest
        return None

    async def idle(self, guest_id: UUID, *, limit_s: float) -> Guest | None:
        """The guest once Hyper-V has ended what it is doing with it: a late job is found here."""
        pause_s = LOOK_S
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    guest = await self.find(guest_id)
                    if guest is None or not guest.busy:
                        return guest
                    await _pause(pause_s)
                    pause_s = min(2 * pause_s, LOOK_MAX_S)
        except TimeoutError:
            raise Unavailable(
                f"guest {guest_id}: Hyper-V has been at work on it for {limit_s:g} s: ask again"
            ) from None

    async def running(self, guest_id: UUID, *, verb: str, limit_s: float) -> Guest:
        guest = await self.idle(guest_id, limit_s=limit_s)
        if guest is None or not guest.runs:
            raise Refused(f"{verb}: guest {guest_id} does not run on {self._client.route}")
        return guest


async def _pause(for_s: float) -> None:
    """WinRM has no event for the end of a job of somebody else's: it is looked at again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await asyncio.Event().wait()
