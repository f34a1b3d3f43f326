"""The driver's small languages: host URLs, pool URLs, error codes, settings, listings."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import libvirt
import pytest

from drivers.contract.compute import DiskStats, HostAddress
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import PoolSpec
from drivers.libvirt import errors, segments
from drivers.libvirt.address import Transport, read_address
from drivers.libvirt.disks import pool_folder, read_listing
from drivers.libvirt.settings import read_settings
from drivers.libvirt.shell import Output
from drivers.libvirt.state import State
from drivers.libvirt.stats import read_guest, read_traffic

ID = UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f3a11")


@pytest.mark.parametrize(
    ("url", "transport", "host", "peer"),
    [
        ("qemu:///system", Transport.LOCAL, "", ""),
        ("qemu+unix:///system?socket=/run/s", Transport.LOCAL, "", ""),
        ("qemu+tcp://h/system", Transport.NATIVE, "h", "qemu+tcp://h/system"),
        ("qemu+tls://h:99/system", Transport.NATIVE, "h", "qemu+tls://h:99/system"),
        ("qemu+ssh://joe@h:2222/system", Transport.SSH, "h", ""),
        ("http://192.0.2.7", Transport.SSH, "192.0.2.7", ""),
    ],
)
def test_a_url_says_how_its_host_is_reached(
    url: str, transport: Transport, host: str, peer: str
) -> None:
    route = read_address(HostAddress(url=url))
    assert (route.transport, route.host, route.peer_uri) == (transport, host, peer)


def test_user_and_port_come_from_the_url_or_the_address() -> None:
    route = read_address(HostAddress(url="qemu+ssh://joe@h:2222/system?socket=/run/x"))
    assert (route.username, route.ssh_port, route.socket) == ("joe", 2222, "/run/x")
    assert read_address(HostAddress(url="http://h", username="ann")).username == "ann"
    assert read_address(HostAddress(url="http://h")).username == "root"


def test_memory_never_flows_to_a_name_that_only_we_use() -> None:
    assert read_address(HostAddress(url="http://192.0.2.7")).data_host == "192.0.2.7"
    assert read_address(HostAddress(url="http://[2001:db8::1]")).data_host == "[2001:db8::1]"
    for ours in ("http://127.0.0.1:22", "http://localhost", "qemu:///system"):
        assert read_address(HostAddress(url=ours)).data_host == ""


@pytest.mark.parametrize(
    "url", ["", "h", "http://", "ftp://h", "qemu+tcp:///system", "xen+ssh://h/", "http://h:x"]
)
def test_a_url_that_names_no_libvirt_host_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        read_address(HostAddress(url=url))


def test_a_url_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(Refused) as refusal:
        read_address(HostAddress(url="qemu+ssh://root:s3cret@h/system"))
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file:///var/pool", "/var/pool"),
        ("/var/pool/", "/var/pool"),
        ("SharedMountPoint:///mnt/a%20b", "/mnt/a b"),
        ("SharedMountPoint://localhost/mnt", "/mnt"),
    ],
)
def test_a_pool_is_a_folder(url: str, folder: str) -> None:
    assert pool_folder(PoolSpec(pool_id=uuid4(), url=url)) == folder


@pytest.mark.parametrize(
    "url",
    ["", "nfs://h/x", "file://h/x", "file:///a/../etc", "pool", "file:///a%0ab", "file:///"],
)
def test_no_other_pool_is_taken(url: str) -> None:
    with pytest.raises(Refused):
        pool_folder(PoolSpec(pool_id=uuid4(), url=url))


def test_listings_tell_our_disks_from_strangers() -> None:
    header = "514649fb" + "00000003" + "0" * 32 + f"{64 << 20:016x}"
    ours = read_listing(f"197120 384 {header} {ID}.qcow2", "/pool")
    assert (ours.volume_id, ours.size_bytes, ours.used_bytes) == (ID, 64 << 20, 384 * 512)
    assert ours.path == f"/pool/{ID}.qcow2"
    raw = read_listing("12 8 686921 notes of mine.txt", "/pool")
    assert (raw.volume_id, raw.size_bytes, raw.image_format) == (None, 12, "raw")
    assert read_listing("0 0 - x.qcow2", "/pool").volume_id is None
    assert read_listing(f"0 0 - {str(ID).upper()}.qcow2", "/pool").volume_id is None


class Said(libvirt.libvirtError):  # type: ignore[misc]
    """An error as libvirt would raise it."""

    def __init__(self, code: int, words: str = "words", *, domain: int = 10, number: int = 0):
        Exception.__init__(self, words)
        self.err = (code, domain, words, 2, "", "", "", number, 0)


RPC = libvirt.VIR_FROM_RPC
LOST = Said(libvirt.VIR_ERR_SYSTEM_ERROR, domain=RPC, number=errno.ECONNRESET)
CUT = Said(libvirt.VIR_ERR_INTERNAL_ERROR, "received error event on socket", domain=RPC)
NO_TPM = "Failed to connect to '/run/libvirt/qemu/swtpm/3-i-x-swtpm.sock': Connection refused"


@pytest.mark.parametrize(
    ("error", "asking", "changing"),
    [
        (LOST, Unavailable, Unknown),
        (CUT, Unavailable, Unknown),
        (Said(libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed"), Unavailable, Unknown),
        (Said(libvirt.VIR_ERR_RPC), Unavailable, Unknown),
        (Said(libvirt.VIR_ERR_OPERATION_TIMEOUT), Unavailable, Unavailable),
        (Said(libvirt.VIR_ERR_INTERNAL_ERROR, "x: Cannot allocate memory"), *[Unavailable] * 2),
        (Said(libvirt.VIR_ERR_INTERNAL_ERROR, NO_TPM), Unavailable, Unavailable),
        (Said(libvirt.VIR_ERR_XML_ERROR), Refused, Refused),
        (Said(libvirt.VIR_ERR_INTERNAL_ERROR, "process exited"), Refused, Refused),
    ],
)
def test_each_error_says_what_to_do_next(
    error: Said, asking: type[DriverError], changing: type[DriverError]
) -> None:
    assert type(errors.of_call(error, doing="x", changing=False)) is asking
    assert type(errors.of_call(error, doing="x", changing=True)) is changing


def test_a_connection_that_does_not_open_changed_nothing() -> None:
    refused = Said(libvirt.VIR_ERR_SYSTEM_ERROR, number=errno.ECONNREFUSED)
    assert type(errors.of_connect(refused, doing="x")) is Unavailable
    assert type(errors.of_connect(LOST, doing="x")) is Unavailable
    assert type(errors.of_connect(Said(libvirt.VIR_ERR_AUTH_FAILED), doing="x")) is Refused


def test_unknown_settings_are_an_error() -> None:
    with pytest.raises(Refused, match="colour"):
        read_settings({"colour": "red"})
    with pytest.raises(Refused, match="acceleration"):
        read_settings({"acceleration": "maybe"})
    assert read_settings({"local_hosts": ["a"]}).local_hosts == ("a",)


def test_state_outlives_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "state.json")
    State(path).put("acceleration", "host", "booted")
    assert State(path).get("acceleration", "host") == "booted"
    assert State(path).get("acceleration", "other") is None
    assert State("").get("acceleration", "host") is None


def test_a_state_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """As a power cut may leave it; keys of hosts are in it, so it is not passed over."""
    path = tmp_path / "state.json"
    path.write_text("")
    with pytest.raises(Refused, match=r"state\.json cannot be read .* move it away"):
        State(str(path))


def test_counters_add_up() -> None:
    counters = {
        "cpu.time": 7,
        "balloon.rss": 2,
        "block.count": 2,
        "net.count": 1,
        "block.0.rd.bytes": 1,
        "block.1.rd.bytes": 2,
        "block.1.wr.bytes": 4,
        "block.0.path": f"/pool/{ID}.qcow2",
        "block.0.rd.reqs": 5,
        "block.1.path": f"/pool/images/{ID}.iso",
        "net.0.rx.bytes": 8,
        "net.0.tx.bytes": 16,
    }
    stats = read_guest(ID, counters)
    assert (stats.cpu_time_ns, stats.memory_used_bytes) == (7, 2048)
    assert (stats.disk_read_bytes, stats.disk_write_bytes) == (3, 4)
    assert (stats.network_read_bytes, stats.network_write_bytes) == (8, 16)
    own = DiskStats(volume_id=ID, read_bytes=1, write_bytes=0, reads=5, writes=0)
    assert stats.disks == (own,), "a disc is nobody's volume"
    lines = [
        "    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0",
        "  eth0:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0",
        "  eth1: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0",
    ]
    assert read_traffic(lines) == (11, 22)


class Heard:
    """A host's shell that does nothing and remembers the arguments of scripts."""

    def __init__(self) -> None:
        self.words: list[tuple[str, ...]] = []

    async def run(self, *argv: str, timeout_s: float = 0) -> Output:
        self.words.append(argv[4:])
        return Output(0, "", "")


async def test_a_vlans_bridge_is_made_where_its_guest_moves_to() -> None:
    shell: Any = Heard()
    bridges = ("br0", "br0-150", "cloudbr012-7", "a-b", "br0-0", "br0-12345")
    await segments.follow(shell, bridges, bridge_kind="linux")
    assert shell.words == [("br0", "150", "br0-150", "cloudbr012*", "7", "cloudbr012-7")]
    await segments.follow(shell, bridges, bridge_kind="openvswitch")
    await segments.follow(shell, ("br0",), bridge_kind="linux")
    assert len(shell.words) == 1, "nothing to be made is not asked for"
