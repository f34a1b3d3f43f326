"""What every hypervisor driver promises about a host, its session and its listings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, attachment, is_running, must
from drivers.contract.errors import DriverError, Refused, Unavailable

SUITE = Suite()


@SUITE.promise
async def inspect_tells_capacity(rig: Rig) -> None:
    """A host says how many cores, what speed and how much memory it has, and always the same id."""
    first, second = await rig.session.inspect(), await (await rig.connect()).inspect()
    must(first.cpu_count > 0 and first.cpu_mhz > 0, f"no cores or no speed: {first}")
    must(first.memory_bytes > 64 * 1024**2, f"memory is not plausible in bytes: {first}")
    must(first.hardware_id != "" and first.name != "", f"the host has no name or id: {first}")
    must(first.hardware_id == second.hardware_id, "one host told two hardware ids")


@SUITE.promise
async def find_and_list_agree(rig: Rig) -> None:
    """What is found is listed, and says the same."""
    specs = [await rig.start() for _ in range(1 if rig.capabilities.whole_host else 2)]
    listed = {guest.guest_id: guest for guest in await rig.session.list_guests()}
    for spec in specs:
        must(listed.get(spec.guest_id) == await rig.found(spec.guest_id), "find and list differ")
    must(await rig.found(uuid4()) is None, "an unheard-of guest is found")


@SUITE.promise
async def guests_are_found_by_a_new_session(rig: Rig) -> None:
    """A guest's id and key are on the backend: a controller that forgot it learns them there."""
    spec, key = await rig.guest_spec(), uuid4()
    await rig.within(rig.session.start_guest(spec, key=key))
    found = await (await rig.connect()).find_guest(spec.guest_id)
    must(is_running(found), f"found {found}")
    must(found is not None and found.key == key, f"the key {key} was not kept: {found}")


@SUITE.promise
async def strangers_are_listed(rig: Rig) -> None:
    """A guest that no controller made is listed, by its name and with no id."""
    name = await rig.harness.add_stranger()
    if name is None:
        raise Exempt("the harness cannot make a guest behind the driver's back")
    strangers = [guest for guest in await rig.session.list_guests() if guest.name == name]
    must(len(strangers) == 1, f"{name} is listed {len(strangers)} times")
    must(strangers[0].guest_id is None, f"a stranger was given an id: {strangers[0]}")


@SUITE.promise
async def stats_of_running_guests(rig: Rig) -> None:
    """Counters are told for each running guest and for no other, and they never fall."""
    stops = await rig.start()
    await rig.within(rig.session.stop_guest(stops.guest_id, grace_s=0, key=uuid4()))
    if rig.capabilities.whole_host:  # The machine is to have nobody's guest, for the next one.
        await rig.within(rig.session.remove_guest(stops.guest_id, key=uuid4()))
    runs = await rig.start()
    first = {stats.guest_id: stats for stats in await rig.session.guest_stats()}
    second = {stats.guest_id: stats for stats in await rig.session.guest_stats()}
    must(runs.guest_id in first and runs.guest_id in second, "a running guest has no counters")
    must(stops.guest_id not in second, "a stopped guest has counters")
    before, after = first[runs.guest_id], second[runs.guest_id]
    must(after.cpu_time_ns >= before.cpu_time_ns, "the CPU time of a guest fell")
    host = await rig.session.host_stats()
    must(0 <= host.cpu_used_percent <= 100, f"percent: {host}")
    must(host.memory_used_bytes > 0 and host.uptime_s >= 0, f"not plausible: {host}")


@SUITE.promise
async def a_machine_has_one_guest(rig: Rig) -> None:
    """A host that one guest takes whole takes no second one, and the first one runs on."""
    if not rig.capabilities.whole_host:
        raise Exempt("a host of this kind has many guests")
    first, second = await rig.guest_spec(), await rig.guest_spec()
    await rig.start(first)
    await rig.refuses(rig.session.start_guest(second, key=uuid4()), Refused, Unavailable)
    must(await rig.copies(second.guest_id) == 0, "the second guest is listed")
    must(is_running(await rig.found(first.guest_id)), "the first guest runs no longer")
    await rig.within(rig.session.remove_guest(first.guest_id, key=uuid4()))
    await rig.start(second)


@SUITE.promise
async def cancelled_start_ends_well(rig: Rig) -> None:
    """A start that was cancelled anywhere is finished by the same key, and undone by it."""
    session, key = rig.session, uuid4()
    for delay_s in (0.0, 0.01, 0.1):
        spec = await rig.guest_spec()
        await rig.cancelled(session.start_guest(spec, key=key), after_s=delay_s)
        told = await rig.until_known(partial(session.start_guest, spec, key=key))
        must(is_running(told), f"told {told}")
        must(await rig.copies(spec.guest_id) == 1, "not exactly one guest of this id")
        await rig.within(session.remove_guest(spec.guest_id, key=key))
        must(await rig.copies(spec.guest_id) == 0, "the undone guest is listed")


@SUITE.promise
async def lost_connection_heals(rig: Rig) -> None:
    """A session whose line is lost says Unavailable or Unknown meanwhile, and works again."""
    spec, session, key = await rig.guest_spec(), rig.bare, uuid4()
    if not await rig.harness.disconnect(session):
        raise Exempt("the harness cannot cut a line")
    told = await rig.until_known(lambda: session.start_guest(spec, key=key))
    must(is_running(told), f"told {told}")
    await rig.harness.disconnect(session)
    found = await rig.until_known(lambda: session.find_guest(spec.guest_id))
    must(is_running(found), f"found {found}")


@SUITE.promise
async def wrong_address_is_told_apart(rig: Rig) -> None:
    """An address where nothing answers is Refused or Unavailable, and nothing else."""
    connect = rig.harness.driver.connect(rig.harness.wrong_address())
    await rig.refuses(connect, Refused, Unavailable)


@SUITE.promise
async def errors_are_driver_errors(rig: Rig) -> None:
    """Whatever is asked of a guest that is not there ends well, or with a DriverError in words."""
    session, gone = rig.session, uuid4()
    target = rig.harness.second_address() or rig.harness.address()
    data = await rig.disk(size_bytes=16 * 1024**2, blank=True)
    verbs: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: session.reboot_guest(gone, force=False, key=uuid4()),
        lambda: session.migrate_guest(gone, target, key=uuid4()),
        lambda: session.attach_disk(gone, attachment(data, 1), key=uuid4()),
        lambda: session.attach_nic(gone, rig.nic(), key=uuid4()),
        lambda: session.console(gone),
    )
    for verb in verbs:
        try:
            await rig.within(verb())
        except DriverError as error:
            must(len(str(error)) > 10, f"{error!r} says too little")


@SUITE.promise
async def discovered_hosts_connect_alone(rig: Rig) -> None:
    """An address stands for hosts that can each be reached, and are told apart, by their own."""
    found = await rig.within(rig.harness.driver.discover(rig.harness.address()))
    must(len(found) > 0, "the address of a host stands for no host")
    ids = set()
    for address in found:
        session = await rig.within(rig.harness.driver.connect(address))
        try:
            ids.add((await rig.within(session.inspect())).hardware_id)
        finally:
            await session.close()
    must(len(ids) == len(found), f"{len(found)} hosts were found with {len(ids)} hardware ids")
    again = await rig.within(rig.harness.driver.discover(found[0]))
    must(found[0].url in {one.url for one in again}, "a host that was found is not found again")
