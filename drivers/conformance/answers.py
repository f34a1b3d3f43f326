"""What every driver makes of an answer that is none: cut off, empty, or of another shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from uuid import uuid4

from drivers.conformance.checks import Broken, Exempt, Rig, Suite, is_running, must
from drivers.contract.errors import DriverError, Refused

SUITE = Suite()
PLACES_MAX = 1000


def _places() -> Iterator[int]:
    """Every answer at first, then some: a verb may need a hundred."""
    after = 0
    while after < PLACES_MAX:
        yield after
        after += 1 + after // 4


async def _spoiled(rig: Rig, after: int, verb: Callable[[], Awaitable[object]]) -> bool:
    """Do it while an answer is spoiled, and as the engine does until it is known; if one was."""
    if await rig.harness.garble(after) is None:
        raise Exempt("the harness cannot spoil an answer")
    try:
        await rig.within(verb())
    except Refused as error:
        raise Broken(f"refused for an answer that says nothing, the {after}th: {error}") from error
    except DriverError:
        pass
    except Exception as error:  # Whatever it is, no driver raises it.
        error.add_note(f"the {after}th answer was spoiled")
        raise
    spoiled = await rig.harness.garble(None)
    await rig.until_known(verb)
    return bool(spoiled)


@SUITE.promise
async def a_start_outlives_a_spoiled_answer(rig: Rig) -> None:
    """Whichever answer is spoiled, nobody knows what was done: never refused, and done once."""
    session, disk = rig.session, await rig.disk()
    for after in _places():
        spec, key = rig.spec_on(disk), uuid4()
        spoiled = await _spoiled(rig, after, partial(session.start_guest, spec, key=key))
        must(is_running(await rig.found(spec.guest_id)), f"it does not run after the {after}th")
        must(await rig.copies(spec.guest_id) == 1, "not exactly one guest of this id")
        spoiled |= await _spoiled(rig, after, partial(session.remove_guest, spec.guest_id, key=key))
        must(await rig.copies(spec.guest_id) == 0, f"the guest is there after the {after}th")
        if not spoiled:
            return


@SUITE.promise
async def a_disk_outlives_a_spoiled_answer(rig: Rig) -> None:
    """Whichever answer is spoiled, the disk is made once by its key, and is gone by it."""
    session = rig.session
    for after in _places():
        spec, key = rig.disk_spec(rig.harness.image().virtual_bytes), uuid4()
        spoiled = await _spoiled(rig, after, partial(session.create_disk, rig.pool, spec, key=key))
        must(await rig.disk_copies(spec.volume_id) == 1, "not exactly one disk of this id")
        remove = partial(session.remove_disk, rig.pool, spec.volume_id, key=key)
        spoiled |= await _spoiled(rig, after, remove)
        must(await rig.disk_copies(spec.volume_id) == 0, f"the disk is there after the {after}th")
        if not spoiled:
            return
