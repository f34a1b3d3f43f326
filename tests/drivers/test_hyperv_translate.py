"""What Hyper-V is told, and what is made of what it says: words alone, no host."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import DiskLimits, HostAddress, Power
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import PoolSpec
from drivers.hyperv import errors, translate
from drivers.hyperv.address import at_node, read_address
from drivers.hyperv.places import id_in, place_of, settled
from drivers.hyperv.translate import Note, read_note
from drivers.hyperv.words import objects

GUEST, DISK = UUID(int=7), UUID(int=8)
PIN = "sha256:" + "ab" * 32


def at(url: str, username: str = "admin") -> HostAddress:
    return HostAddress(url=url, username=username, password="x")


@pytest.mark.parametrize(
    ("url", "port", "tls", "auth"),
    [
        ("winrm://hv1", 5986, True, "ntlm"),
        ("winrm://hv1:6000?auth=basic", 6000, True, "basic"),
        ("winrm+http://hv1", 5985, False, "ntlm"),
        (f"winrm://hv1?auth=kerberos&pin={PIN}", 5986, True, "kerberos"),
    ],
)
def test_a_url_says_how_a_host_is_reached(url: str, port: int, tls: bool, auth: str) -> None:
    route = read_address(at(url))
    assert (route.host, route.port, route.tls, route.auth) == ("hv1", port, tls, auth)
    assert route.trust.pin == (PIN if "pin" in url else "")


@pytest.mark.parametrize(
    "url",
    [
        "https://hv1",
        "winrm://",
        "winrm://hv1/wsman",
        "winrm://hv1:port",
        "winrm://hv1?colour=red",
        "winrm+http://hv1?auth=basic",
        f"winrm+http://hv1?pin={PIN}",
    ],
)
def test_a_wrong_url_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(Refused):
        read_address(at(url))


def test_a_host_needs_a_name_and_a_password() -> None:
    with pytest.raises(Refused, match="username"):
        read_address(at("winrm://hv1", username=""))


def test_a_node_is_reached_as_the_cluster_was() -> None:
    address = at(f"winrm://hv1:6000?auth=basic&pin={PIN}")
    node = at_node(address, read_address(address), "hv2")
    assert node.url == f"winrm://hv2:6000?auth=basic&pin={PIN}"
    assert (node.username, node.password) == (address.username, address.password)


@pytest.mark.parametrize(
    ("url", "folder", "root"),
    [
        ("smb://files/vhds", "\\\\files\\vhds", "\\\\files\\vhds"),
        ("smb://files/vhds/a%20b/c", "\\\\files\\vhds\\a b\\c", "\\\\files\\vhds"),
        ("file:///C:/pool", "C:\\pool", "C:\\"),
        ("file:///d:/", "d:", "d:\\"),
    ],
)
def test_a_pool_is_a_folder_of_windows(url: str, folder: str, root: str) -> None:
    place = place_of(PoolSpec(pool_id=uuid4(), url=url))
    assert (place.folder, place.root) == (folder, root)


@pytest.mark.parametrize(
    "url",
    [
        "nfs://files/vhds",
        "smb://files",
        "smb://user:secret@files/vhds",
        "file:///var/lib/pool",
        "file:///C:/a/../b",
        "smb://files/vhds/a%5Cb",
        "smb://files/vhds/what%3F",
    ],
)
def test_a_pool_that_windows_has_not_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        place_of(PoolSpec(pool_id=uuid4(), url=url))
    assert "secret" not in str(refused.value)


def test_a_checkpoint_over_a_disk_changes_nothing_of_its_name() -> None:
    plain = f"C:\\pool\\disks\\{DISK}.vhdx"
    over = plain.removesuffix(".vhdx") + f"_{str(uuid4()).upper()}.avhdx"
    assert (settled(over), id_in(over), id_in(plain)) == (plain, DISK, DISK)
    assert id_in("C:\\pool\\web server.vhdx") is None


def test_notes_keep_what_people_wrote() -> None:
    note = Note(guest_id=GUEST, key=UUID(int=9), disks={DISK: "C:\\a.vhdx"}, room_mib=64)
    text = f"ask Ann before you touch this\n{note.text()}"
    assert read_note(text, "web") == note
    assert translate.without_note(text) == "ask Ann before you touch this"


@pytest.mark.parametrize("notes", ["", "by hand", "sagastack what?", 'sagastack {"id":"7"}'])
def test_notes_of_others_make_nobody_ours(notes: str) -> None:
    assert read_note(notes, "web") is None


def test_a_guest_is_ours_from_the_moment_it_is_born() -> None:
    assert read_note("", f"sagastack-{GUEST}") == Note(guest_id=GUEST)


@pytest.mark.parametrize(
    ("limits", "operations"),
    [
        (DiskLimits(), 0),
        (DiskLimits(total_iops=500), 500),
        (DiskLimits(read_iops=200, write_iops=100), 300),
        (DiskLimits(read_bytes=1 << 20), 128),
        (DiskLimits(total_iops=100, write_bytes=8192 * 7), 7),
        (DiskLimits(write_bytes=1), 1),
    ],
)
def test_every_limit_is_one_of_operations(limits: DiskLimits, operations: int) -> None:
    assert translate.iops(limits) == operations


@pytest.mark.parametrize(("count", "cores"), [(1, 1), (1, 2), (1, 3), (2, 3), (5, 16), (7, 64)])
def test_cores_that_are_kept_back_are_not_counted(count: int, cores: int) -> None:
    cap = translate.cap_percent(count, cores)
    assert max(1, round(cores * cap / 100)) == count


def test_memory_is_in_steps() -> None:
    assert translate.memory_bytes(63) == translate.memory_bytes(64) == 64 << 20


def test_what_comes_out_is_none_one_or_many() -> None:
    assert objects([]) == objects([""]) == []
    assert objects(['{"Name":"a"}']) == [{"Name": "a"}]
    assert objects(['[{"Name":"a"},{"Name":"b"}]']) == [{"Name": "a"}, {"Name": "b"}]


def test_a_machine_is_read_as_it_was_told() -> None:
    vm = str(uuid4())
    machine = {
        "Id": vm,
        "Name": "web",
        "State": 2,
        "Notes": Note(guest_id=GUEST).text(),
        "ProcessorCount": 4,
        "MemoryStartup": 256 << 20,
        "Generation": 2,
        "OperationalStatus": [11, 32772],
        "Path": "C:\\x",
        "IsClustered": False,
        "Uptime": None,
    }
    drive = {"VMId": vm, "Path": f"C:\\p\\disks\\{DISK}.vhdx", "ControllerType": 1}
    drive |= {"ControllerNumber": 0, "ControllerLocation": 0}
    told = [[machine], [{"VMId": vm, "Count": 4, "Maximum": 50}], [drive], []]
    (guest,) = translate.read_guests(told)
    status = guest.status()
    assert (status.guest_id, status.power, guest.busy) == (GUEST, Power.RUNNING, True)
    assert (status.cpu_count, status.memory_mib) == (2, 256)
    seat = guest.seat_of(DISK)
    assert seat is not None and guest.seat_at(seat.path.upper()) is seat


@pytest.mark.parametrize(
    ("message", "error_id", "kind"),
    [
        ("Not enough memory in the system. (0x8007000E)", "OutOfMemory", Unavailable),
        ("used by another process (0x80070020)", "ObjectInUse", Unavailable),
        ("performing another operation (0x80048008)", "X", Unavailable),
        ("der Datenträger ist voll (0x80070070)", "X", Unavailable),
        ("eine andere Anwendung", "RemoveFileSystemItemIOError,X", Unavailable),
        ("something that nobody has seen (0x80041234)", "X", Refused),
        ("is not recognized as a cmdlet", "CommandNotFoundException", Refused),
    ],
)
def test_one_table_says_what_an_error_is(
    message: str, error_id: str, kind: type[Exception]
) -> None:
    said = errors.of_command(errors.failed(message, error_id), doing="start web")
    assert type(said) is kind and str(said).startswith("start web: ")
    assert "install Hyper-V" in str(said) or error_id != "CommandNotFoundException"
