"""What a region refuses, loses, hides or is slow to say, and what the driver makes of that."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import Adoption, DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import DiskPlace, DiskSpec, DiskStatus, PoolSpec
from drivers.openstack.driver import make_all
from tests.drivers.harness_openstack import OpenStackHarness, region
from tests.peers.certificate import new
from tests.peers.openstack.server import serving
from tests.peers.openstack.state import Fault

GIB = 1024**3


@pytest.fixture
async def there() -> AsyncIterator[OpenStackHarness]:
    async with region() as ready:
        yield ready


async def disk(ready: OpenStackHarness, session: HostSession) -> DiskStatus:
    spec = DiskSpec(volume_id=uuid4(), size_bytes=GIB, image=ready.image())
    return await session.create_disk(ready.pool(), spec, key=uuid4())


async def guest(ready: OpenStackHarness, session: HostSession, **more: object) -> GuestSpec:
    made = await disk(ready, session)
    assert made.volume_id is not None
    root = DiskAttachment(volume_id=made.volume_id, path=made.path, device=0, image_format="raw")
    return replace(ready.guest(disks=(root,)), **more)  # type: ignore[arg-type]


def servers(ready: OpenStackHarness) -> list[str]:
    return [one["id"] for one in ready.region.servers.values() if one["status"] != "DELETED"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "guess"}, "user, password, project or domain is wrong"),
        ({"username": "sagastack@nowhere"}, "user, password, project or domain is wrong"),
        ({"username": ""}, "needs a username"),
        ({"url": "project=cloud|project=none"}, "user, password, project or domain is wrong"),
        ({"url": "RegionOne|RegionTwo"}, "knows the regions RegionOne"),
        ({"url": "host=compute1|host=compute9"}, "no compute host 'compute9'"),
        ({"url": "region=RegionOne|"}, "names no region"),
        ({"url": "region=|colour="}, "'colour' says nothing"),
        ({"url": "openstack+http|http"}, "is written openstack://"),
        ({"url": "/identity/v3|/elsewhere"}, "is no Keystone v3"),
    ],
)
async def test_a_wrong_address_is_refused_in_words(
    there: OpenStackHarness, wrong: dict[str, str], words: str
) -> None:
    address = there.address()
    if "url" in wrong:
        wrong = {"url": address.url.replace(*wrong["url"].split("|"))}
    with pytest.raises(Refused, match=words):
        await there.driver.connect(replace(address, **wrong))


async def test_certificates_are_verified_and_pinned(tmp_path: Path) -> None:
    async with serving(tmp_path, tls=new("127.0.0.1").server()) as (_, port):
        where = f"127.0.0.1:{port}/identity/v3?region=RegionOne&project=cloud"
        (driver,) = make_all({})
        address = HostAddress(
            url=f"openstack://{where}", username="sagastack", password="correct horse"
        )
        with pytest.raises(Refused, match=r"repeat with .pin=sha256:") as refused:
            await driver.discover(address)
        pin = str(refused.value).split("pin=")[1].split(" ")[0]
        hosts = await driver.discover(replace(address, url=f"{address.url}&pin={pin}"))
        assert len(hosts) == 2 and all(pin in one.url for one in hosts)
        session = await driver.connect(hosts[0])
        assert (await session.inspect()).name == "compute1"
        other = address.url + "&pin=sha256:" + "0" * 64
        with pytest.raises(Refused, match="another certificate"):
            await driver.discover(replace(address, url=other))
        await driver.close()


async def test_a_region_stands_for_its_compute_hosts(there: OpenStackHarness) -> None:
    whole = replace(there.address(), url=there.address().url.replace("&host=compute1", ""))
    found = await there.driver.discover(whole)
    assert [one.url.split("host=")[1] for one in found] == ["compute1", "compute2"]
    assert await there.driver.discover(found[0]) == found[:1], "an address of one is itself"
    ids = set()
    for one in found:
        session = await there.driver.connect(one)
        ids.add((await session.inspect()).hardware_id)
    assert len(ids) == 2


async def test_who_sees_no_hosts_has_the_region_as_one(there: OpenStackHarness) -> None:
    url = there.address().url.replace("&host=compute1", "")
    member = HostAddress(url=url, username="member@Default", password="battery staple")
    (one,) = await there.driver.discover(member)
    session = await there.driver.connect(one)
    facts = await session.inspect()
    assert (facts.cpu_count, facts.memory_bytes) == (20, 51_200 * 1024**2), "the quota"
    spec = await guest(there, session)
    with pytest.raises(Refused, match="may not make one"):
        await session.start_guest(spec, key=uuid4())
    there.region.flavors["m1"] = {
        "id": "m1", "name": "m1", "vcpus": 1, "ram": 128, "disk": 5,
        "OS-FLV-EXT-DATA:ephemeral": 0, "extra_specs": {},
    }  # fmt: skip
    await session.start_guest(spec, key=uuid4())
    assert [one.guest_id for one in await session.list_guests()] == [spec.guest_id]
    assert [one.guest_id for one in await session.guest_stats()] == [spec.guest_id]
    assert (await session.host_stats()).memory_used_bytes == 128 * 1024**2
    with pytest.raises(Refused, match="only between compute hosts"):
        await session.migrate_guest(spec.guest_id, one, key=uuid4())
    await session.remove_guest(spec.guest_id, key=uuid4())


async def test_a_token_that_expired_is_renewed(there: OpenStackHarness) -> None:
    session = await there.connect()
    spec = await guest(there, session)
    there.region.tokens.clear()
    await session.start_guest(spec, key=uuid4())
    there.region.token_s = 0.2
    there.region.tokens.clear()
    await session.find_guest(spec.guest_id)
    signed = there.region.asked.count(("POST", "/identity/v3/auth/tokens"))
    await asyncio.sleep(0.15)
    await session.find_guest(spec.guest_id)
    assert there.region.asked.count(("POST", "/identity/v3/auth/tokens")) == signed + 1, "in time"
    there.region.users = []
    there.region.tokens.clear()
    with pytest.raises(Refused, match="password"):
        await session.find_guest(spec.guest_id)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("POST", "/servers$", status=429, headers={"Retry-After": "1"}), Unavailable),
        (Fault("POST", "/servers$", status=503), Unavailable),
        (Fault("POST", "/servers$", status=500), Unknown),
        (Fault("POST", "/servers$", status=502, after=True), None),
        (Fault("POST", "/servers$", after=True), None),
        (Fault("POST", "/servers$", delay_s=6.0, status=500), Unknown),
    ],
)
async def test_whatever_becomes_of_a_start_one_server_comes_of_it(
    there: OpenStackHarness, fault: Fault, kind: type[DriverError] | None
) -> None:
    """An answer that was lost has made a server, which is found by its tag."""
    session, key = await there.connect(), uuid4()
    spec = await guest(there, session)
    there.region.faults = [fault]
    if kind is not None:
        with pytest.raises(kind):
            await session.start_guest(spec, key=key)
    await session.start_guest(spec, key=key)
    assert len(servers(there)) == 1
    assert not there.region.faults


@pytest.mark.parametrize("method", ["PUT", "GET"])
async def test_a_token_that_ends_under_the_bytes_of_an_image_is_got_anew(
    there: OpenStackHarness, method: str
) -> None:
    """The template is not given up for it: the engine asks again, and is answered."""
    session, key = await there.connect(), uuid4()
    fault = Fault(method, "/images/[0-9a-f-]+/file$", status=401)
    if method == "PUT":
        there.region.faults = [fault]
        with pytest.raises(Unavailable, match="token has ended"):
            await session.keep_image(there.pool(), there.image(), key=key)
        assert await session.keep_image(there.pool(), there.image(), key=key)
        return
    made = await disk(there, session)
    assert made.volume_id is not None
    source = DiskPlace(pool=there.pool(), disk_id=made.volume_id)
    there.region.faults = [fault]
    with pytest.raises(Unavailable, match="token has ended"):
        await session.export_disk(source, there.scratch(), key=key)
    assert (await session.export_disk(source, there.scratch(), key=key)).file_bytes
    assert not there.region.faults


@pytest.mark.parametrize("path", ["/auth/tokens$", "/flavors"])
async def test_no_token_and_no_password_is_sent_on_to_another_address(
    there: OpenStackHarness, path: str
) -> None:
    """Whoever may answer for a service could have them otherwise, by a word."""
    elsewhere = f"{there.region.public}/elsewhere"
    method = "POST" if path.startswith("/auth") else "GET"
    there.region.faults = [Fault(method, path, status=307, headers={"Location": elsewhere})]
    with pytest.raises(Refused, match=r"sends on to .*elsewhere"):
        session = await there.connect()
        await session.start_guest(await guest(there, session), key=uuid4())
    assert not [path for _, path in there.region.asked if path.endswith("/elsewhere")]


async def test_looks_that_fail_meanwhile_are_made_again(there: OpenStackHarness) -> None:
    session = await there.connect()
    spec = await guest(there, session)
    there.region.faults = [Fault("GET", "/servers/[0-9a-f-]+$", status=503, times=3)]
    await session.start_guest(spec, key=uuid4())
    assert not there.region.faults


async def test_what_is_full_is_unavailable_and_leaves_nothing(there: OpenStackHarness) -> None:
    session = await there.connect()
    spec = await guest(there, session, nics=(there.nic(),))
    there.region.quota["ram"] = 0
    with pytest.raises(Unavailable, match="Quota exceeded for ram"):
        await session.start_guest(spec, key=uuid4())
    there.region.quota["ram"] = 51_200
    there.region.hosts[0].memory_mb = 64
    with pytest.raises(Unavailable, match="No valid host"):
        await session.start_guest(spec, key=uuid4())
    assert servers(there) == [] and there.region.ports == {}
    there.region.quota["gigabytes"] = 1
    with pytest.raises(Unavailable, match="quota is 1G"):
        await disk(there, session)


async def test_a_volume_in_error_says_why_and_goes(there: OpenStackHarness) -> None:
    session = await there.connect()
    await disk(there, session)
    image = next(iter(there.region.images.values()))
    there.region.image_file(image["id"]).write_bytes(b"no image")
    with pytest.raises(Refused, match="Image is unacceptable"):
        await disk(there, session)
    assert len(there.region.volumes) == 1


async def test_a_region_that_cannot_serve_says_what_it_lacks(there: OpenStackHarness) -> None:
    session = await there.connect()
    for url, words in (
        ("cinder://golden", "it has fast, slow"),
        ("nova://local", "would go with their server"),
        ("nfs://server/export", "is written cinder://"),
    ):
        with pytest.raises(Refused, match=words):
            await session.open_pool(PoolSpec(pool_id=uuid4(), url=url))
    await session.open_pool(PoolSpec(pool_id=uuid4(), url="cinder://default"))
    there.region.services.remove("block-storage")
    there.region.tokens.clear()
    await session.list_guests()
    with pytest.raises(Refused, match="add Cinder to the region"):
        await session.open_pool(there.pool())
    there.region.newest_compute = "2.60"
    with pytest.raises(Refused, match=r"2\.60"):
        await session.list_guests()
    with pytest.raises(Refused, match=r"2\.60"):
        await there.connect()


async def test_many_starts_are_awaited_together() -> None:
    """Waiting for forty servers asks for each by itself hardly ever."""
    async with region(moment_s=0.3) as there:
        there.region.quota |= {"cores": 100, "instances": 100}
        there.region.hosts[0].vcpus = 100
        session = await there.connect()
        specs = [await guest(there, session) for _ in range(40)]
        there.region.asked.clear()
        async with asyncio.TaskGroup() as group:
            for spec in specs:
                group.create_task(session.start_guest(spec, key=uuid4()))
        assert len(await session.list_guests()) == 40
        singles = [p for m, p in there.region.asked if m == "GET" and "/servers/" in p]
        looked = [one for one in singles if not one.endswith("/detail")]
        assert len(looked) < 40, f"{len(looked)} looks at single servers"


async def test_pages_are_followed_to_the_end(there: OpenStackHarness) -> None:
    (driver,) = make_all({"page": "2", "poll_s": "0.01"})
    session = await driver.connect(there.address())
    names = {await there.add_stranger() for _ in range(5)}
    assert {one.name for one in await session.list_guests()} == names
    assert len(await session.list_disks(there.pool())) == 5
    await driver.close()


async def test_cards_become_ports_and_go_with_their_guest(there: OpenStackHarness) -> None:
    there.region.add_network("routed", "10.1.0.0/24")
    tagged = there.region.add_network("tagged", vlan=77)
    session = await there.connect()
    cards = (
        replace(there.nic(), bridge="routed", ip4="10.1.0.7"),
        replace(there.nic(), vlan=77),
        replace(there.nic(), ip4="192.168.1.9"),
        replace(there.nic(), bridge=tagged["id"]),
        replace(there.nic(), bridge="routed", ip4="192.168.1.10"),
    )
    spec = await guest(there, session, nics=cards)
    await session.start_guest(spec, key=uuid4())
    ports = list(there.region.ports.values())
    called = {one["id"]: one["name"] for one in there.region.networks.values()}
    networks = [called[one["network_id"]] for one in ports]
    assert networks == ["routed", "tagged", "public", "tagged", "routed"]
    assert [one["mac_address"] for one in ports] == [card.mac for card in cards]
    assert ports[0]["fixed_ips"][0]["ip_address"] == "10.1.0.7"
    assert [one["port_security_enabled"] for one in ports] == [True, False, False, False, False]
    assert ports[4]["fixed_ips"], "Nova wants an address where there is a subnet"
    assert {one["device_id"] for one in ports} == set(servers(there))
    await session.remove_guest(spec.guest_id, key=uuid4())
    assert there.region.ports == {}


@pytest.mark.parametrize("bridge", ["nowhere", str(UUID(int=7))])
async def test_a_card_on_no_network_is_refused(there: OpenStackHarness, bridge: str) -> None:
    session = await there.connect()
    nic = NicSpec(nic_id=uuid4(), mac="02:00:00:00:00:01", bridge=bridge)
    spec = await guest(there, session, nics=(nic,))
    with pytest.raises(Refused, match=f"wants network '{bridge}': no network is called so"):
        await session.start_guest(spec, key=uuid4())
    assert servers(there) == []


async def test_what_a_guest_is_told_and_where_it_is_seen(there: OpenStackHarness) -> None:
    session = await there.connect()
    login = "ssh-ed25519 AAAA somebody"
    spec = await guest(there, session, config=disc({"mine": login}), boot="uefi-secure")
    await session.start_guest(spec, key=uuid4())
    (server,) = (one for one in there.region.servers.values())
    assert base64.b64decode(server["user_data"]) == b"#cloud-config\n"
    assert server["config_drive"] == "True"
    assert (server["public_key"], server["admin_pass"]) == (login, "sesame")
    assert not there.region.key_pairs, "a key pair is there only while its server is made"
    (volume,) = there.region.volumes.values()
    said = volume["volume_image_metadata"]
    assert (said["hw_firmware_type"], said["os_secure_boot"]) == ("uefi", "required")
    console = await session.console(spec.guest_id)
    assert console.url.startswith(there.region.public) and console.protocol == "html"
    assert console.token in console.url and UUID(console.token)
    assert console.token not in repr(console).replace(console.url, "")
    del there.region.consoles["novnc"]
    line = await session.console(spec.guest_id)
    assert line.url.startswith("ws://") and line.protocol == "serial" and UUID(line.token)
    there.region.consoles.clear()
    with pytest.raises(Refused, match="offers none of novnc"):
        await session.console(spec.guest_id)
    await session.remove_guest(spec.guest_id, key=uuid4())
    await session.start_guest(replace(spec, boot="uefi"), key=uuid4())
    assert said["os_secure_boot"] == "disabled"


def disc(keys: dict[str, str]) -> tuple[tuple[str, bytes], ...]:
    meta = {"public_keys": keys, "admin_pass": "sesame"}
    return (
        ("openstack/latest/meta_data.json", json.dumps(meta).encode()),
        ("openstack/latest/user_data", b"#cloud-config\n"),
    )


async def test_a_second_key_is_refused_before_anything_is_made(there: OpenStackHarness) -> None:
    session = await there.connect()
    spec = await guest(there, session, config=disc({"one": "ssh-rsa A", "two": "ssh-rsa B"}))
    with pytest.raises(Refused, match="one key pair, and it has 2: name one"):
        await session.start_guest(spec, key=uuid4())
    assert servers(there) == []


async def test_a_migration_that_finds_no_room_leaves_the_guest(there: OpenStackHarness) -> None:
    session = await there.connect()
    spec = await guest(there, session)
    await session.start_guest(spec, key=uuid4())
    there.region.hosts[1].memory_mb = 64
    target = there.second_address()
    assert target is not None
    with pytest.raises(Refused, match="it stayed on compute1: No valid host"):
        await session.migrate_guest(spec.guest_id, target, key=uuid4())
    assert await session.find_guest(spec.guest_id) is not None
    nowhere = replace(target, url=target.url.replace("compute2", "compute9"))
    with pytest.raises(Refused, match="compute9"):
        await session.migrate_guest(spec.guest_id, nowhere, key=uuid4())


async def test_adopted_volumes_no_longer_go_with_their_server(there: OpenStackHarness) -> None:
    session, guest_id = await there.connect(), uuid4()
    name = await there.add_stranger()
    assert name is not None
    ask = Adoption(guest_id=guest_id, name="ours")
    await session.adopt_guest(name, ask, key=uuid4())
    await session.stop_guest(guest_id, grace_s=0, key=uuid4())
    assert servers(there) == [] and len(there.region.volumes) == 1
    other = await there.add_stranger()
    (row,) = (one for one in there.region.servers.values() if one["name"] == other)
    row["image"] = {"id": str(uuid4())}
    assert other is not None
    with pytest.raises(Refused, match="would go with the server"):
        await session.adopt_guest(other, Adoption(guest_id=uuid4(), name="x"), key=uuid4())


async def test_a_guest_starts_from_a_disk_that_no_image_made(there: OpenStackHarness) -> None:
    """Nova wants to be told of such a volume, and only of the one that is started from."""
    session = await there.connect()
    blank = [
        await session.create_disk(
            there.pool(), DiskSpec(volume_id=uuid4(), size_bytes=GIB), key=uuid4()
        )
        for _ in range(2)
    ]
    disks = tuple(
        DiskAttachment(volume_id=one.volume_id, path=one.path, device=at, image_format="raw")
        for at, one in enumerate(blank)
        if one.volume_id is not None
    )
    spec = there.guest(disks=disks)
    await session.start_guest(spec, key=uuid4())
    told = {
        one["metadata"]["sagastack_volume"]: one["bootable"]
        for one in there.region.volumes.values()
    }
    assert [told[str(one.volume_id)] for one in blank] == ["true", "false"]
    await session.remove_guest(spec.guest_id, key=uuid4())


async def test_another_projects_servers_are_not_ours_to_see(there: OpenStackHarness) -> None:
    session = await there.connect()
    await there.add_stranger()
    for row in (*there.region.servers.values(), *there.region.volumes.values()):
        for name in ("tenant_id", "project"):
            if name in row:
                row[name] = there.region.project_ids["other"]
    assert await session.list_guests() == []
    assert await session.list_disks(there.pool()) == []


async def test_a_crash_in_a_revert_is_finished_by_the_next(there: OpenStackHarness) -> None:
    """The old volume is gone and its heir not let in yet: that is where it went on."""
    session, snapshot_id = await there.connect(), uuid4()
    made = await disk(there, session)
    assert made.volume_id is not None
    await there.write(made.path, 5)
    await session.snapshot_disk(there.pool(), made.volume_id, snapshot_id, key=uuid4())
    await there.write(made.path, 6)
    there.region.faults = [Fault("DELETE", "/metadata/", status=503)]
    revert = session.revert_disk
    with pytest.raises(Unavailable):
        await revert(there.pool(), made.volume_id, snapshot_id, key=uuid4())
    assert await session.find_disk(there.pool(), made.volume_id) is None
    told = await revert(there.pool(), made.volume_id, snapshot_id, key=uuid4())
    assert told.path == made.path and await there.read(made.path) == 5
    assert len(there.region.volumes) == 2, "the disk and its snapshot"
