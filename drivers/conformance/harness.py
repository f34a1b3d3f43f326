"""What a driver's author brings to have the driver checked: a harness around one real backend.

A harness knows the backend, the checks know the contract, and neither knows the other's business.
Everything a harness gives is fresh: two calls of `guest` or `pool` never name the same thing
unless it says so. What is made through a session is removed by the check that made it; what the
harness made by itself (a stranger, a scratch pool) is removed when the harness is closed.

The tests find harnesses by walking `tests/drivers/harness_*.py`. Such a module offers

    def missing() -> str: ...       # what this machine lacks to run it, or "" if nothing
    def harness() -> AbstractAsyncContextManager[Harness]: ...

and each check enters and leaves `harness()` once, on its own event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable
from uuid import UUID

from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import Driver, HostSession
from drivers.contract.storage import ImageSource, PoolSpec


@runtime_checkable
class Harness(Protocol):
    """One backend, ready to be checked.

    `name` heads every message. `verb_s` bounds any one verb and `settle_s` is how long the backend
    may take to show what it was told (a guest that boots far enough to heed a power button, say):
    a check waits that long before it calls a promise broken. `grace_s` is a grace that a guest of
    `guest` meets by itself when asked to power off; 0 means that it never does.
    """

    name: str
    verb_s: float
    settle_s: float
    grace_s: float

    @property
    def driver(self) -> Driver:
        """The driver under check; one for the life of the harness."""

    async def connect(self) -> HostSession:
        """A new session with the first host. The check closes it."""

    def address(self) -> HostAddress:
        """The first host, as `connect` reaches it."""

    def wrong_address(self) -> HostAddress:
        """A well-formed address where nothing that this driver knows will ever answer."""

    def second_address(self) -> HostAddress | None:
        """Another host of the kind that reaches the same pool, or None: nothing to migrate to."""

    def pool(self) -> PoolSpec:
        """The pool that the checks work in; the same one for the life of the harness."""

    def image(self) -> ImageSource:
        """A small image that a guest boots from."""

    def scratch(self) -> str:
        """A path of the controller's where no file is yet."""

    def second_pool(self) -> PoolSpec:
        """Another pool that the first host reaches."""

    def broken_image(self) -> ImageSource | None:
        """Something that claims to be an image and is none, or None if the backend never looks."""

    def guest(
        self, *, disks: Sequence[DiskAttachment] = (), nics: Sequence[NicSpec] = ()
    ) -> GuestSpec:
        """A guest, under a new id, that the first host can run: as small as it can be."""

    def too_large(self) -> GuestSpec:
        """A guest, under a new id, that the first host could never run, not even when empty."""

    def nic(self) -> NicSpec:
        """A network card, under a new id, that the first host can plug into a guest."""

    async def write(self, path: str, byte: int) -> None:
        """Put this byte at the beginning of a disk that no guest uses, beside the driver."""

    async def read(self, path: str) -> int:
        """The byte at the beginning of a disk or snapshot; 0 where nothing was written."""

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        """The same as `write`, as the running guest would do it."""

    async def add_stranger(self) -> str | None:
        """Run a guest that no controller made; its name, or None if the harness cannot."""

    async def disconnect(self, session: HostSession) -> bool:
        """Cut `session` off beneath the driver, as a lost line would; False if it cannot."""

    async def garble(self, after: int | None) -> bool | None:
        """Let the backend's answer after so many be no answer of its protocol; None for none.

        What was asked is done all the same. Whether that has come true for the wish before; None
        if it cannot.
        """
