"""The conformance suite finds broken drivers: each sabotage of the simulator breaks its check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.conformance import Broken, compute_checks, storage_checks
from drivers.contract.compute import Power
from drivers.contract.errors import Refused
from drivers.sim import adoption, compute, kept, storage, vitals
from drivers.sim.world import SimWorld
from tests.drivers.harness_sim import SimHarness
from tests.drivers.test_sim_lateness import SUITE

CHECKS = {check.name: check for check in [*compute_checks(), *storage_checks(), *SUITE]}


move_alone = compute.migrate


def nothing(*_: Any, **__: Any) -> None:
    """A verb that forgets to do anything."""


def refuse(*_: Any, **__: Any) -> None:
    raise Refused("this driver takes its own retry for a mistake")


def migrate_and_stay(world: SimWorld, host: Any, guest_id: Any, target: Any, _: Any) -> None:
    guest = compute.running(world, host, guest_id)
    world.commit(replace(guest, host=target.url))


def leave_disks(world: SimWorld, host: Any, guest_id: Any, target: Any, _: Any) -> None:
    """Moves the guest, and none of the disks that should go along."""
    move_alone(world, host, guest_id, target)


def shrink(world: SimWorld, pool: Any, volume_id: Any, *, size_bytes: int) -> Any:
    disk = storage.find(world, pool, volume_id)
    assert disk is not None
    world.commit(replace(disk, size_bytes=size_bytes))
    return replace(disk, size_bytes=size_bytes).status()


def crash(world: SimWorld, host: Any, guest_id: Any) -> None:
    world.kill_guest(guest_id, power=Power.CRASHED)


SABOTAGES: list[tuple[str, Any, str, Callable[..., Any]]] = [
    ("remove_leaves_nothing", compute, "remove", nothing),
    ("remove_what_never_was", compute, "remove", refuse),
    ("stop_now", compute, "power_off", nothing),
    ("stop_ends_with_its_grace", compute, "power_off", crash),
    ("reboot_of_what_is_off_is_refused", compute, "reboot", nothing),
    ("disk_hot_plug", compute, "detach_disk", nothing),
    ("limits_reach_a_running_guest", compute, "limit_disk", refuse),
    ("plugs_need_a_running_guest", compute, "attach_nic", nothing),
    ("migration_leaves_one_copy", compute, "migrate", migrate_and_stay),
    ("disks_go_along_with_their_guest", compute, "migrate", leave_disks),
    ("growth_is_seen_and_twice_is_once", compute, "grow", nothing),
    ("a_running_guest_goes_back", kept, "revert", nothing),
    ("what_is_forgotten_is_refused", kept, "forget", nothing),
    ("ours_is_let_go_of_and_taken_back", adoption, "disown", nothing),
    ("ours_is_let_go_of_and_taken_back", adoption, "disown_disk", nothing),
    ("start_without_its_disk_is_refused", compute, "_require_disk", nothing),
    ("start_too_large_is_refused", compute, "_require_room", nothing),
    ("an_image_stays_while_a_disk_rests_on_it", storage, "drop_image", nothing),
    ("an_image_stays_while_a_disk_rests_on_it", storage, "drop_image", lambda *_: True),
    ("broken_image_is_refused", storage, "require_image", nothing),
    ("disk_beyond_the_pool_fails", storage, "require_room", nothing),
    ("shrink_is_refused", storage, "resize", shrink),
    ("used_disk_is_not_removed", SimWorld, "users", lambda *_: set()),
    ("create_twice_is_once", storage, "find", nothing),
    ("an_undone_start_is_not_done_again", SimWorld, "ask", nothing),
    ("an_undone_disk_is_not_made_again", SimWorld, "ask", nothing),
    ("an_undone_snapshot_is_not_made_again", SimWorld, "ask", nothing),
    ("an_undone_plug_is_not_plugged_again", SimWorld, "ask", nothing),
    ("a_late_repeat_is_refused", SimWorld, "ask", nothing),
    ("a_late_move_is_refused", SimWorld, "ask", nothing),
]


@pytest.mark.parametrize(("name", "where", "what", "sabotage"), SABOTAGES)
async def test_a_broken_driver_is_found(
    name: str,
    where: Any,
    what: str,
    sabotage: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, what, sabotage)
    with pytest.raises(Broken):
        await CHECKS[name].run(SimHarness())


async def test_counters_of_a_stopped_guest_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = vitals.guest_stats
    falling = iter(range(1_000_000, 0, -1))
    monkeypatch.setattr(
        vitals, "guest_stats", lambda guest, **_: real(guest, seed=0, now_s=next(falling) + 1e10)
    )
    with pytest.raises(Broken, match="fell"):
        await CHECKS["stats_of_running_guests"].run(SimHarness())
