"""What goes wrong with machines and their BMCs, each told as what it is; and what outlives a crash.

The Redfish side is checked against `tests.peers.baremetal.redfish_bmc`, which is in front of a
machine that stands in for hardware.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from drivers.baremetal import guests
from drivers.baremetal.driver import make_all
from drivers.baremetal.node import Node
from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, Power
from drivers.contract.driver import Driver, HostSession
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, DiskStatus, PoolSpec
from tests.drivers import harness_baremetal as rig
from tests.peers.baremetal.machine import Machine
from tests.peers.baremetal.redfish_bmc import RedfishServer, serving
from tests.peers.certificate import new

MIB = 1024**2
SIZES = (48 * MIB, 64 * MIB)


@dataclass
class Bench:
    """A machine, its BMC, and a driver that may die and come back with the same state."""

    folder: Path
    machine: Machine
    server: RedfishServer
    port: int
    http: int
    driver: Driver
    pool: PoolSpec

    def address(self, password: str = "secret", **more: str) -> HostAddress:
        url = rig.url(self.port, self.http, rig.MAC, **({"boot_s": "1"} | more))
        return HostAddress(url=url, username="admin", password=password)

    async def connect(self, **more: str) -> HostSession:
        return await self.driver.connect(self.address(**more))

    async def restart(self, *, forgets: bool = False) -> None:
        """The controller's process dies and another begins, with or without its state."""
        await self.driver.close()
        if forgets:
            for card in (self.folder / "state" / "nodes").glob("*"):
                card.unlink()
        self.driver = make_all(rig.settings(self.folder))[0]

    def image(self) -> DiskSpec:
        source = rig.image_source(self.folder)
        return DiskSpec(volume_id=uuid4(), size_bytes=rig.IMAGE_BYTES, image=source)

    async def made(self, session: HostSession) -> DiskStatus:
        return await session.create_disk(self.pool, self.image(), key=uuid4())


@asynccontextmanager
async def opened(folder: Path, sizes: tuple[int, ...] = SIZES) -> AsyncIterator[Bench]:
    rig.write_image(folder / "image.raw")
    machine = Machine(mac=rig.MAC, folder=folder / "disks", disk_bytes=sizes)
    server = RedfishServer({"1": machine})
    http = rig.free_port()
    machine.boots_from = f"http://127.0.0.1:{http}"
    async with serving(server) as port:
        pool = PoolSpec(pool_id=uuid4(), url="disk:///")
        driver = make_all(rig.settings(folder))[0]
        bench = Bench(folder, machine, server, port, http, driver, pool)
        try:
            yield bench
        finally:
            await bench.driver.close()


def _images(bench: Bench) -> list[str]:
    """The orders to write its image."""
    return [line for line in bench.machine.orders if f" {rig.IMAGE_BYTES} " in line]


def spec_on(disk: DiskStatus, **labels: str) -> GuestSpec:
    assert disk.volume_id is not None
    root = DiskAttachment(
        volume_id=disk.volume_id, path=disk.path, device=0, image_format=disk.image_format
    )
    return replace(rig.guest_spec(disks=[root]), labels=tuple(labels.items()))


@dataclass
class Leases:
    """A DHCP server of ours that has given the machine an address once, when its agent asked."""

    line: str = "the agent's address"

    def lease(self, mac: str) -> str:
        return self.line

    async def close(self) -> None:
        """Nothing runs."""


def with_leases(bench: Bench, boot_s: float = 300.0) -> Leases:
    """Let the sign of life of what the machine runs be that it asks for an address."""
    (node,) = bench.driver._nodes.values()  # type: ignore[attr-defined]
    node.address = replace(node.address, alive="dhcp", boot_s=boot_s)
    node.provision.dhcp = Leases()
    return node.provision.dhcp  # type: ignore[no-any-return]


# ---- addresses and credentials ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://bmc/", "names no BMC"),
        ("ipmi://bmc/?provision=lo", "no MAC address"),
        ("ipmi://bmc/?mac=52:54:00:00:00:01", "provisioning interface"),
        ("ipmi://bmc/?mac=52:54:00:00:00:01&provision=lo&alive=maybe", "alive=maybe"),
        ("ipmi://bmc/?mac=52:54:00:00:00:01&provision=lo&macc=1", "macc"),
        ("ipmi://bmc/?mac=52:54:00:00:00:01&provision=lo&alive=dhcp&dhcp=no", "drop alive="),
        ("ipmi://bmc:x/?mac=52:54:00:00:00:01&provision=lo", "no number"),
        ("redfish://bmc/?mac=52:54:00:00:00:01&provision=lo&bios=A", "Attribute:Value"),
    ],
)
async def test_a_wrong_url_is_refused_with_its_right_form(
    tmp_path: Path, url: str, words: str
) -> None:
    driver = make_all({"state": str(tmp_path)})[0]
    with pytest.raises(Refused, match=words):
        await driver.connect(HostAddress(url=url))


async def test_a_wrong_password_is_refused_and_turns_nothing_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        for offered in (True, False):
            bench.server.sessions_offered = offered
            with pytest.raises(Refused, match="password is wrong"):
                await bench.driver.connect(bench.address(password="wrong"))
        assert not bench.machine.on


async def test_an_interface_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        with pytest.raises(Refused, match="no interface nowhere0"):
            await bench.connect(provision="nowhere0")


async def test_a_machine_that_saves_power_is_as_fast_as_it_is_rated(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        assert (await (await bench.connect()).inspect()).cpu_mhz == 2400


async def test_a_session_that_expired_is_opened_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        bench.server.expire()
        assert (await session.inspect()).cpu_count == bench.machine.cpus


async def test_a_bmc_has_one_session_of_ours_however_much_is_asked_at_once(tmp_path: Path) -> None:
    """A BMC has few, and who opens one for each question locks everybody out of it."""
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        await session.inspect()
        for _ in range(2):
            bench.server.expire()
            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(session.inspect())
            assert len(bench.server.tokens) == 1


async def test_a_bmc_that_just_starts_does_not_say_that_a_guest_is_off(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        spec = spec_on(await bench.made(session))
        await session.start_guest(spec, key=uuid4())
        bench.server.starting = True
        with pytest.raises(Unavailable, match="does not say now whether the power is on"):
            await session.find_guest(spec.guest_id)
        bench.server.starting = False
        found = await session.find_guest(spec.guest_id)
        assert found is not None and found.power is Power.RUNNING


async def test_a_bmc_that_hangs_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        await bench.driver.close()
        quick = rig.settings(tmp_path) | {"call_s": "0.2"}
        bench.driver = make_all(quick)[0]
        session = await bench.connect()
        bench.server.hangs.clear()
        with pytest.raises(Unavailable, match="cannot be reached"):
            await session.list_guests()
        bench.server.hangs.set()
        assert await session.list_guests() == []


async def test_a_bmc_without_a_trusted_certificate_is_refused_until_it_is_pinned(
    tmp_path: Path,
) -> None:
    machine = Machine(mac=rig.MAC, folder=tmp_path / "disks", disk_bytes=SIZES)
    driver = make_all(rig.settings(tmp_path))[0]
    async with serving(RedfishServer({"1": machine}), tls=new("127.0.0.1").server()) as port:
        url = rig.url(port, rig.free_port(), rig.MAC).replace("redfish+http:", "redfish:")
        with pytest.raises(Refused, match="not trusted") as refused:
            await driver.connect(HostAddress(url=url, username="admin", password="secret"))
        found = re.search(r"pin=(sha256:[0-9a-f]{64})", str(refused.value))
        assert found is not None, refused.value
        pinned = HostAddress(url=f"{url}&pin={found[1]}", username="admin", password="secret")
        assert await (await driver.connect(pinned)).list_guests() == []
        other = HostAddress(url=f"{url}&pin=sha256:{'0' * 64}", username="admin", password="secret")
        with pytest.raises(Refused, match="another certificate"):
            await driver.connect(other)
        await driver.close()


# ---- power, and BMCs that lie about it -------------------------------------------------------


async def test_a_machine_that_is_on_is_not_rebooted_under_what_it_runs(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.turn_on()
        session = await bench.connect()
        with pytest.raises(Unavailable, match="did not start"):
            await session.inspect()
        assert bench.machine.on and bench.machine.boots == []


async def test_a_bmc_that_tells_late_is_waited_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.faults.late_s = 0.3
        session = await bench.connect()
        disk = await bench.made(session)
        spec = spec_on(disk)
        told = await session.start_guest(spec, key=uuid4())
        assert told.power is Power.RUNNING and bench.machine.runs_system
        await session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
        assert not bench.machine.on


async def test_a_power_that_cannot_be_turned_off_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        spec = spec_on(await bench.made(session))
        await session.start_guest(spec, key=uuid4())
        bench.machine.faults.sticks = True
        with pytest.raises(Unknown, match="still says that it is on"):
            await session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
        assert (await session.list_guests())[0].power is Power.RUNNING
        bench.machine.faults.sticks = False
        await session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
        assert (await session.list_guests())[0].power is Power.OFF


async def test_a_bmc_that_says_off_while_the_agent_asks_is_found_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        disk = await bench.made(session)
        bench.machine.faults.denies = True
        with pytest.raises(Unavailable, match="still asks for orders: the BMC is wrong"):
            await session.start_guest(spec_on(disk), key=uuid4())
        assert bench.machine.on, "it was on all the time"


async def test_a_machine_that_boots_nothing_is_told_with_where_to_look(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.faults.deaf = True
        session = await bench.connect()
        with pytest.raises(Unavailable, match="fetched no boot script"):
            await session.inspect()
        await bench.machine.turn_off()
        bench.machine.faults.deaf = False
        assert (await session.inspect()).memory_bytes == bench.machine.memory_mib * MIB


async def test_a_disk_that_does_not_boot_is_told(tmp_path: Path) -> None:
    """A blank disk has nothing to boot from, so the machine comes back to the network."""
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        blank = DiskSpec(volume_id=uuid4(), size_bytes=MIB)
        disk = await session.create_disk(bench.pool, blank, key=uuid4())
        with pytest.raises(Unavailable, match="came back to the network's boot"):
            for _ in range(3):
                await session.start_guest(spec_on(disk), key=uuid4())


async def test_a_system_that_gives_no_sign_of_life_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that is tried again goes on waiting where it was, and then says what is wrong."""
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        spec, key = spec_on(await bench.made(session)), uuid4()
        leases = with_leases(bench)
        now_s, waited_s = 1000.0, list[float]()

        async def in_vain(holds: object, *, within_s: float, every_s: float) -> bool:
            nonlocal now_s
            now_s += within_s
            waited_s.append(within_s)
            return False

        monkeypatch.setattr(Node, "now_s", lambda _: now_s)
        monkeypatch.setattr(guests, "until", in_vain)
        for _ in range(3):
            with pytest.raises(Unavailable, match="asked for no address within 300 s"):
                await session.start_guest(spec, key=key)
        assert waited_s == [300.0, 1.0, 1.0]
        await session.remove_guest(spec.guest_id, key=uuid4())
        with pytest.raises(Unavailable, match="asked for no address"):
            await session.start_guest(spec, key=uuid4())
        assert waited_s[3:] == [300.0], "another start is another wait"
        leases.line = "another address"
        monkeypatch.undo()
        assert (await session.start_guest(spec, key=uuid4())).power is Power.RUNNING


async def test_what_the_agent_was_given_is_no_sign_of_life_to_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        spec, key = spec_on(await bench.made(session)), uuid4()
        with_leases(bench, boot_s=0.1)
        for _ in range(2):
            with pytest.raises(Unavailable, match="asked for no address"):
                await session.start_guest(spec, key=key)
            await bench.restart()
            session = await bench.connect()
            leases = with_leases(bench, boot_s=0.1)
        leases.line = "another address"
        assert (await session.start_guest(spec, key=key)).power is Power.RUNNING
        assert bench.machine.boots == ["agent", "disk"], "it was booted once"


# ---- disks and tenants -----------------------------------------------------------------------


async def test_a_disk_that_garbles_what_it_is_given_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.faults.garbles = True
        session = await bench.connect()
        with pytest.raises(Refused, match="gives back other bytes"):
            await bench.made(session)
        assert await session.list_disks(bench.pool) == []


async def test_what_a_tenant_left_is_wiped_and_nobody_runs_beside_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        first = await bench.made(session)
        spec = spec_on(first, account="ann")
        await session.start_guest(spec, key=uuid4())
        await session.remove_guest(spec.guest_id, key=uuid4())
        second = await bench.made(session)
        assert second.path != first.path
        with pytest.raises(Refused, match="another account"):
            await session.start_guest(spec_on(second, account="bob"), key=uuid4())
        assert first.volume_id is not None
        await session.remove_disk(bench.pool, first.volume_id, key=uuid4())
        assert not any(bench.machine.disk(0).read_bytes())
        await session.start_guest(spec_on(second, account="bob"), key=uuid4())


async def test_a_wipe_that_was_cut_off_is_done_before_the_next_guest(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        first, second = await bench.made(session), await bench.made(session)
        assert first.volume_id is not None
        await bench.machine.turn_off()
        bench.machine.faults.deaf = True
        with pytest.raises(DriverError):
            await session.remove_disk(bench.pool, first.volume_id, key=uuid4())
        assert [one.path for one in await session.list_disks(bench.pool)] == [second.path]
        await bench.machine.turn_off()
        bench.machine.faults.deaf = False
        await bench.restart()
        session = await bench.connect()
        await session.start_guest(spec_on(second), key=uuid4())
        assert not any(bench.machine.disk(0).read_bytes()), "the first tenant's bytes are there"


async def test_a_strangers_disk_is_left_alone_unless_the_url_says_otherwise(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as bench:
        for number in range(len(SIZES)):
            with bench.machine.disk(number).open("r+b") as file:
                file.write(b"somebody's")
        session = await bench.connect()
        with pytest.raises(Refused, match="no disk of"):
            await bench.made(session)
        listed = await session.list_disks(bench.pool)
        assert [one.volume_id for one in listed] == [None, None]
        await bench.machine.turn_off()
        await bench.restart(forgets=True)
        session = await bench.connect(erase="yes")
        made = await bench.made(session)
        assert b"somebody's" not in bench.machine.disk(0).read_bytes()
        assert made.path == f"disk:///{bench.machine.serial(0)}"


# ---- crashes ---------------------------------------------------------------------------------


async def test_a_lost_card_comes_back_from_the_disks_labels(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        before = await bench.made(session)
        await bench.machine.turn_off()
        await bench.restart(forgets=True)
        session = await bench.connect()
        await session.open_pool(bench.pool)
        assert await session.list_disks(bench.pool) == [before]


async def test_a_guest_is_known_to_the_next_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session, key = await bench.connect(), uuid4()
        spec = spec_on(await bench.made(session))
        told = await session.start_guest(spec, key=key)
        await bench.restart()
        session = await bench.connect()
        assert await session.list_guests() == [told] and told.key == key
        boots = list(bench.machine.boots)
        assert await session.start_guest(spec, key=key) == told
        assert bench.machine.boots == boots, "it was booted again"


async def test_an_agent_outlives_the_process_that_booted_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        await session.inspect()
        await bench.restart()
        session = await bench.connect()
        await bench.made(session)
        assert bench.machine.boots == ["agent"], "it was booted once"


async def test_an_image_that_is_being_written_is_not_begun_twice(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session, spec = await bench.connect(), bench.image()
        await session.open_pool(bench.pool)
        for after_s in (0.005, 0.02, 0.05):
            try:
                async with asyncio.timeout(after_s):
                    await session.create_disk(bench.pool, spec, key=uuid4())
            except TimeoutError:
                continue
        disk = await session.create_disk(bench.pool, spec, key=uuid4())
        assert disk.volume_id == spec.volume_id
        assert len(_images(bench)) == 1, bench.machine.orders


@pytest.mark.parametrize("changed", [False, True])
async def test_an_image_is_written_again_only_to_another_disk(
    changed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller ends between the image and the label of the disk."""

    async def ends(*_: object) -> None:
        raise Unavailable("the controller ends here")

    async with opened(tmp_path) as bench:
        session, spec = await bench.connect(), bench.image()
        await session.open_pool(bench.pool)
        with monkeypatch.context() as meanwhile, pytest.raises(Unavailable, match="ends here"):
            meanwhile.setattr("drivers.baremetal.disks.Disks.put_label", ends)
            await session.create_disk(bench.pool, spec, key=uuid4())
        if changed:
            await bench.machine.turn_off()
            os.truncate(bench.machine.disk(0), 0)
            os.truncate(bench.machine.disk(0), SIZES[0])
        await bench.restart()
        session = await bench.connect()
        disk = await session.create_disk(bench.pool, spec, key=uuid4())
        assert disk.volume_id == spec.volume_id
        assert len(_images(bench)) == 1 + changed, bench.machine.orders
        assert bench.machine.disk(0).read_bytes()[: 64 * 512] != bytes(64 * 512)


# ---- what Redfish has besides ----------------------------------------------------------------


async def test_firmware_and_raid_are_made_as_the_url_says(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect(bios="SriovEnable:true,BootMode:Uefi", raid="raid1")
        await session.inspect()
        assert bench.server.bios == {"SriovEnable": True, "BootMode": "Uefi"}
        assert [one["RAIDType"] for one in bench.server.volumes] == ["RAID1"]
        monitors = [one for one in bench.server.requests if "TaskMonitors" in one]
        assert len(monitors) == 3, "the task was followed to its end"


async def test_a_task_is_followed_whatever_its_bmc_says_meanwhile(tmp_path: Path) -> None:
    """Work that has begun is not said to be none, nor begun again, while nobody tells of it."""
    async with opened(tmp_path) as bench:
        at = "Sat, 31 Jan 2026 10:00:00 GMT"
        bench.server.monitors = [(202, at), (503, "1"), (202, "soon"), (202, "-1")]
        await (await bench.connect(raid="raid1")).inspect()
        assert [one["RAIDType"] for one in bench.server.volumes] == ["RAID1"]
        assert not bench.server.monitors


async def test_a_firmware_setting_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect(bios="NoSuch:1")
        with pytest.raises(Refused, match="no setting NoSuch"):
            await session.inspect()
        assert not bench.machine.on


async def test_sensors_and_console_are_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session: Any = await bench.connect()
        read = {s.name: (s.value, s.unit) for s in (await session.host_stats()).sensors}
        assert read == {"Inlet": (23.0, "Cel"), "Fan 1": (5400.0, "RPM"), "Power": (180.0, "W")}
        spec = spec_on(await bench.made(session))
        await session.start_guest(spec, key=uuid4())
        console = await session.console(spec.guest_id)
        assert (console.url, console.protocol) == ("ssh://127.0.0.1:2200", "sol")


async def test_every_system_of_a_service_is_a_host(tmp_path: Path) -> None:
    machines = {
        str(n): Machine(mac=f"52:54:00:ba:01:{n:02x}", folder=tmp_path / str(n), disk_bytes=SIZES)
        for n in (1, 2, 3)
    }
    driver = make_all(rig.settings(tmp_path))[0]
    async with serving(RedfishServer(machines)) as port:
        url = f"redfish+http://127.0.0.1:{port}/?mac=52:54:00:00:00:00&provision=lo&dhcp=no"
        found = await driver.discover(HostAddress(url=url, username="admin", password="secret"))
        assert len(found) == 3
        for number, one in enumerate(found, 1):
            assert f"/redfish/v1/Systems/{number}?" in one.url
            assert f"mac=52:54:00:ba:01:{number:02x}" in one.url
            assert one.password == "secret"
        with pytest.raises(Refused, match="has 3 systems"):
            await driver.connect(HostAddress(url=url, username="admin", password="secret"))
    await driver.close()
