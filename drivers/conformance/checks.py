"""What a check is: a property of the contract in one sentence, and the code that tries to break it.

A check is an async function of a `Rig`. Its docstring is the property. It raises `Broken` when the
driver does not keep it and `Exempt` when it does not apply, with the reason. The rig knows what
the check made through it and clears that away, whatever happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

from drivers.conformance.harness import Harness
from drivers.contract.compute import DiskAttachment, GuestSpec, GuestStatus, NicSpec, Power
from drivers.contract.driver import HostSession
from drivers.contract.errors import DriverError, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, DiskStatus, PoolSpec, SnapshotStatus

T = TypeVar("T")


class Broken(AssertionError):
    """The driver does not keep its promise."""


class Exempt(Exception):
    """The promise does not apply to this driver or this harness; the message says why."""


def must(kept: bool, message: str) -> None:
    if not kept:
        raise Broken(message)


class Rig:
    """One check's workbench: a session, a pool, and all that has to be cleared away at the end."""

    def __init__(self, harness: Harness, session: HostSession, pool: PoolSpec) -> None:
        self.harness = harness
        self.bare, self.session = session, _able(session, harness)
        self.pool = pool
        self.capabilities = harness.driver.capabilities
        self._guests: list[UUID] = []
        self._volumes: list[UUID] = []
        self._snapshots: list[UUID] = []
        self._sessions: list[HostSession] = [self.session]

    async def within(self, verb: Awaitable[T]) -> T:
        """Wait for a verb, but not for ever."""
        try:
            async with asyncio.timeout(self.harness.verb_s):
                return await verb
        except TimeoutError as error:
            raise Broken(f"a verb took longer than {self.harness.verb_s} s") from error

    async def cancelled(self, verb: Awaitable[object], *, after_s: float) -> None:
        """Cancel a verb on its way; it must end at once, whatever of it has happened."""

        async def tried() -> None:
            with suppress(DriverError):
                await verb

        async with asyncio.TaskGroup() as group:
            task = group.create_task(tried())
            await asyncio.sleep(after_s)
            task.cancel()
            await asyncio.wait([task], timeout=self.harness.verb_s)
            must(task.done(), "a cancelled verb did not end")

    async def refuses(self, verb: Awaitable[object], *kinds: type[DriverError]) -> None:
        """The verb must fail, and as one of `kinds`."""
        try:
            answer = await self.within(verb)
        except kinds:
            return
        except DriverError as error:
            raise Broken(
                f"expected {_names(kinds)}, not {type(error).__name__}: {error}"
            ) from error
        raise Broken(f"expected {_names(kinds)}, but it answered {answer}")

    async def until_known(self, verb: Callable[[], Awaitable[T]]) -> T:
        """Ask again as the engine does: the same call, while it is Unavailable or Unknown."""
        try:
            async with asyncio.timeout(self.harness.settle_s + self.harness.verb_s):
                while True:
                    try:
                        return await verb()
                    except (Unavailable, Unknown):
                        await asyncio.sleep(min(0.2, self.harness.settle_s / 10))
        except TimeoutError as error:
            raise Broken("the verb never became known, however often it was repeated") from error

    async def settles(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        """Give the backend its time to show what it was told."""
        try:
            async with asyncio.timeout(self.harness.settle_s):
                while not await holds():  # noqa: ASYNC110 (a backend has no event to wait for)
                    await asyncio.sleep(min(0.2, self.harness.settle_s / 10))
        except TimeoutError as error:
            raise Broken(f"{what}: not so within {self.harness.settle_s} s") from error

    async def connect(self) -> HostSession:
        """Another session with the first host."""
        session = _able(await self.within(self.harness.connect()), self.harness)
        self._sessions.append(session)
        return session

    async def second_host(self) -> HostSession:
        address = self.harness.second_address()
        if address is None:
            raise Exempt("this harness has one host only")
        session = _able(await self.within(self.harness.driver.connect(address)), self.harness)
        self._sessions.append(session)
        return session

    async def disk(self, *, size_bytes: int = 0, blank: bool = False) -> DiskStatus:
        """A new disk in the pool: a clone of the image, or blank."""
        image = self.harness.image()
        size_bytes = size_bytes or image.virtual_bytes
        spec = self.disk_spec(size_bytes, blank=blank)
        return await self.within(self.session.create_disk(self.pool, spec, key=uuid4()))

    def sized(self, size_bytes: int) -> int:
        """How large a disk is that was asked to be so large: whole units of the kind."""
        unit = self.capabilities.disk_unit_bytes
        return -(-size_bytes // unit) * unit

    def disk_spec(self, size_bytes: int, *, blank: bool = False) -> DiskSpec:
        image = None if blank else self.harness.image()
        spec = DiskSpec(volume_id=uuid4(), size_bytes=size_bytes, image=image)
        self._volumes.append(spec.volume_id)
        return spec

    def snapshot_id(self) -> UUID:
        """A new one, cleared away at the end."""
        self._snapshots.append(uuid4())
        return self._snapshots[-1]

    async def snapshot(self, disk: DiskStatus) -> SnapshotStatus:
        assert disk.volume_id is not None
        keep = self.session.snapshot_disk
        return await self.within(keep(self.pool, disk.volume_id, self.snapshot_id(), key=uuid4()))

    async def guest_spec(self) -> GuestSpec:
        """A guest that could start now: it has a root disk of its own."""
        return self.spec_on(await self.disk())

    def spec_on(self, *disks: DiskStatus) -> GuestSpec:
        attached = [attachment(disk, device) for device, disk in enumerate(disks)]
        return self.track(self.harness.guest(disks=attached, nics=()))

    def track(self, spec: GuestSpec) -> GuestSpec:
        self._guests.append(spec.guest_id)
        return spec

    async def start(self, spec: GuestSpec | None = None) -> GuestSpec:
        """A guest that runs."""
        spec = spec or await self.guest_spec()
        await self.within(self.session.start_guest(spec, key=uuid4()))
        return spec

    async def found(self, guest_id: UUID) -> GuestStatus | None:
        return await self.within(self.session.find_guest(guest_id))

    async def copies(self, guest_id: UUID, session: HostSession | None = None) -> int:
        """How many guests of this id the host lists."""
        listed = await self.within((session or self.session).list_guests())
        return sum(guest.guest_id == guest_id for guest in listed)

    async def disk_copies(self, volume_id: UUID) -> int:
        listed = await self.within(self.session.list_disks(self.pool))
        return sum(disk.volume_id == volume_id for disk in listed)

    def nic(self) -> NicSpec:
        return self.harness.nic()

    async def clear(self) -> None:
        """Remove what the check made, from every host that it used, and close the sessions."""
        for session in self._sessions:
            for guest_id in self._guests:
                with suppress(DriverError, TimeoutError, Exempt):
                    async with asyncio.timeout(self.harness.verb_s):
                        await session.remove_guest(guest_id, key=uuid4())
        for pool in (self.pool, self.harness.second_pool()):
            for verb, ids in (("remove_disk", self._volumes), ("remove_snapshot", self._snapshots)):
                for one in ids:
                    with suppress(DriverError, TimeoutError, Exempt):
                        async with asyncio.timeout(self.harness.verb_s):
                            await getattr(self.session, verb)(pool, one, key=uuid4())
        for session in self._sessions:
            await session.close()


def attachment(disk: DiskStatus, device: int) -> DiskAttachment:
    """A disk of ours as a guest is given it."""
    assert disk.volume_id is not None
    return DiskAttachment(
        volume_id=disk.volume_id, path=disk.path, device=device, image_format=disk.image_format
    )


def is_running(guest: GuestStatus | None) -> bool:
    return guest is not None and guest.power is Power.RUNNING


class _Able:
    """A session on which a verb that its kind says it cannot makes the check exempt.

    That such a verb is refused is a check of its own, on a bare session.
    """

    def __init__(self, session: HostSession, cannot: Mapping[str, str]) -> None:
        self._session, self._cannot = session, cannot

    def __getattr__(self, verb: str) -> Any:
        if (why := self._cannot.get(verb)) is not None:
            raise Exempt(f"{verb}: {why}")
        return getattr(self._session, verb)


def _able(session: HostSession, harness: Harness) -> HostSession:
    return cast(HostSession, _Able(session, harness.driver.capabilities.cannot))


Body = Callable[[Rig], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """A named property. `run` raises `Broken`, or says why it does not apply, or returns ""."""

    name: str
    promise: str
    body: Body

    async def run(self, harness: Harness) -> str:
        try:
            async with _rig(harness) as rig:
                await self.body(rig)
        except Exempt as reason:
            return f"exempt: {reason}"
        except DriverError as error:
            raise Broken(f"{type(error).__name__} where success was promised: {error}") from error
        return ""


class Suite(list[Check]):
    """Checks that belong together. `@suite.promise` makes one of a function and its docstring."""

    def promise(self, body: Body) -> Body:
        name, promise = getattr(body, "__name__", ""), " ".join((body.__doc__ or "").split())
        assert name and promise, f"{body} needs a name and a docstring that says its property"
        self.append(Check(name, promise, body))
        return body


@asynccontextmanager
async def _rig(harness: Harness) -> AsyncIterator[Rig]:
    async with asyncio.timeout(harness.verb_s):
        session = await harness.connect()
        await session.open_pool(harness.pool())
        await session.open_pool(harness.second_pool())
    rig = Rig(harness, session, harness.pool())
    try:
        yield rig
    finally:
        await rig.clear()


def _names(kinds: tuple[type[DriverError], ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
