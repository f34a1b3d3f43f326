"""Systems that are installed by an installer of their own: kickstart, preseed and the like.

The machine is a stand-in, whose installer fetches what it is given over real HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from drivers.baremetal.dhcp import Dhcp
from drivers.contract.compute import GuestSpec, Power
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskSpec, ImageSource
from drivers.kit import installer
from tests.drivers.test_baremetal import Bench, opened, spec_on

ANSWERS = "name {{hostname}}\ndone {{done_url}}\nfailed {{ failed_url }}\nonto /dev/{{root_disk}}\n"
TOLD = {
    "kernel": "linux",
    "initrd": "initrd.gz",
    "answers": "preseed.cfg",
    "cmdline": "auto=true url={{answers_url}}",
}


def archive(path: Path, **more: str) -> Path:
    """An installer; `answers=` are its answers, anything else is another line of its JSON."""
    told = json.dumps(TOLD | {k: v for k, v in more.items() if k != "text"})
    files = {
        "installer.json": told.encode(),
        "linux": b"a kernel",
        "initrd.gz": b"an initrd",
        "preseed.cfg": more.get("text", ANSWERS).encode(),
    }
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


async def placed(bench: Bench, session: HostSession, **more: str) -> GuestSpec:
    """A guest with a disk that is to be installed."""
    path = archive(bench.folder / "installer.tar.gz", **more)
    image = ImageSource(
        image_id=uuid4(), path=str(path), image_format="tar", virtual_bytes=installer.look(path)
    )
    disk = DiskSpec(volume_id=uuid4(), size_bytes=1 << 20, image=image)
    made = await session.create_disk(bench.pool, disk, key=uuid4())
    return replace(spec_on(made), name="web-1")


def installed(bench: Bench) -> bool:
    return b"was installed" in bench.machine.disk(0).read_bytes()


@pytest.mark.parametrize("how", ["reports", "turns off", "restarts"])
async def test_a_system_is_installed_and_started(tmp_path: Path, how: str) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.faults.installs = how
        session = await bench.connect()
        spec = await placed(bench, session)
        assert not installed(bench)
        told = await session.start_guest(spec, key=uuid4())
        assert told.power is Power.RUNNING and installed(bench) and bench.machine.runs_system
        # A restart that went to the disk at once is not seen without our DHCP: it is done again.
        assert bench.machine.boots[:3] == ["agent", "installer", "disk"]
        assert set(bench.machine.boots[3:]) <= {"disk"}
        assert bench.machine.fetched["kernel"] == b"a kernel"
        said = bench.machine.fetched["answers"].decode()
        assert said.startswith("name web-1\n") and said.endswith("onto /dev/sda\n")
        await session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
        await session.start_guest(spec, key=uuid4())
        assert bench.machine.boots[-1] == "disk", "it is not installed twice"


async def test_what_was_given_once_is_given_to_nobody_else(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        spec = await placed(bench, session)
        await session.start_guest(spec, key=uuid4())
        said = bench.machine.fetched["answers"].decode().splitlines()
        done = next(line.removeprefix("done ") for line in said if line.startswith("done "))
        async with aiohttp.ClientSession() as http:
            for what in ("answers", "done", "kernel"):
                async with http.get(done.replace("/done", f"/{what}")) as answer:
                    assert answer.status == 410, what
            async with http.get(f"{bench.machine.boots_from}/boot/{bench.machine.mac}") as answer:
                assert "install" not in await answer.text()


async def test_an_installer_that_fails_says_why(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.faults.installs = "fails"
        session = await bench.connect()
        spec = await placed(bench, session)
        with pytest.raises(Refused, match="the mirror has no such release"):
            await session.start_guest(spec, key=uuid4())
        assert not bench.machine.on
        bench.machine.faults.installs = "reports"
        await session.start_guest(spec, key=uuid4())
        assert installed(bench)


async def test_an_installer_that_hangs_is_told_with_how_far_it_came(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.faults.installs = "hangs"
        session = await bench.connect(install_s="1")
        spec = await placed(bench, session)
        with pytest.raises(Unavailable, match="has fetched its answers, and has not said"):
            await session.start_guest(spec, key=uuid4())
        await session.remove_guest(spec.guest_id, key=uuid4())
        assert not bench.machine.on


async def test_an_installation_outlives_the_process_that_began_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        bench.machine.faults.installs = "hangs"
        session, key = await bench.connect(), uuid4()
        spec = await placed(bench, session)
        begun = asyncio.create_task(session.start_guest(spec, key=key))
        async with asyncio.timeout(120):
            while "answers" not in bench.machine.fetched:  # noqa: ASYNC110 - a peer tells nobody
                await asyncio.sleep(0.05)
        begun.cancel()
        await asyncio.wait([begun])
        await bench.restart()
        session = await bench.connect()
        said = bench.machine.fetched["answers"].decode().splitlines()
        done = next(line.removeprefix("done ") for line in said if line.startswith("done "))
        with bench.machine.disk(0).open("r+b") as file:
            file.seek(510)
            file.write(b"\x55\xaa")

        async def report() -> None:
            async with aiohttp.ClientSession() as http, http.get(done) as answer:
                assert answer.status == 200
            await bench.machine.turn_off()

        async with asyncio.TaskGroup() as group:
            starting = group.create_task(session.start_guest(spec, key=key))
            await asyncio.sleep(0.1)
            group.create_task(report())
        assert starting.result().power is Power.RUNNING
        assert bench.machine.boots.count("installer") == 1, "it was not begun twice"


async def test_user_data_may_be_the_answers(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench:
        session = await bench.connect()
        own = "#preseed mine\ndone {{done_url}}\nfailed x\nhost {{hostname}}\n"
        spec = replace(
            await placed(bench, session), user_data=base64.b64encode(own.encode()).decode()
        )
        await session.start_guest(spec, key=uuid4())
        assert b"host web-1" in bench.machine.fetched["answers"]
        wrong = replace(spec, user_data=base64.b64encode(b"#preseed {{secret}}").decode())
        await session.remove_guest(spec.guest_id, key=uuid4())
        assert wrong.user_data


async def test_a_value_cannot_become_an_answer_of_its_own() -> None:
    for value in ("web\nrootpw x", 'web"; reboot', "$(reboot)", "`x`"):
        with pytest.raises(Refused, match="cannot stand in an installer's answers"):
            installer.fill("{{hostname}}", {"hostname": value})
    assert installer.fill("{{ hostname }}{{uuid}}", {"hostname": "a b", "uuid": ""}) == "a b"
    with pytest.raises(Refused, match="none of hostname"):
        installer.fill("{{secret}}", {})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"kernel": "other"}, "holds no other"),
        ({"cmdline": "a\nb"}, "one line"),
        ({"text": "{{secret}}"}, "is none of hostname"),
        ({"extra": "x"}, "cannot be read"),
    ],
)
def test_a_wrong_archive_is_refused_with_what_is_wrong(
    tmp_path: Path, more: dict[str, str], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        installer.look(archive(tmp_path / "x.tar", **more))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"not a tar" * 100)
    with pytest.raises(Refused, match="no tar archive of an installer"):
        installer.look(path)


def test_a_systems_requests_are_told_from_its_firmwares(tmp_path: Path) -> None:
    """As dnsmasq writes them: the lines of one exchange bear its number."""
    mac = "52:54:00:00:00:01"
    lines = (
        "11 vendor class: PXEClient:Arch:00000:UNDI:002001",
        f"11 DHCPDISCOVER(br) {mac}",
        f"11 DHCPDISCOVER(br) {mac}",
        "12 vendor class: udhcp 1.35.0",
        f"12 DHCPDISCOVER(br) {mac}",
        "13 vendor class: HTTPClient:Arch:00016:UNDI:003000",
        f"13 DHCPDISCOVER(br) {mac}",
    )
    text = "".join(f"Nov 26 11:03:51 dnsmasq-dhcp[1222]: {line}\n" for line in lines)
    (tmp_path / "log").write_text(text)
    dhcp = Dhcp("br", tmp_path, tmp_path)
    assert (dhcp.asked(mac), dhcp.asked(mac, by_system=True)) == (4, 1)
    assert dhcp.asked("52:54:00:00:00:02") == 0
