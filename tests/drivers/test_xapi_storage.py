"""Repositories of a XenServer pool: found, made and plugged; discs in their library; full ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.contract.compute import DiskAttachment
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskSpec, ImageSource, PoolSpec
from drivers.xapi import transfer, vdis
from drivers.xapi.marks import Kind
from drivers.xapi.repositories import Repository, read_url
from drivers.xapi.session import XapiSession
from tests.drivers.harness_xapi import XapiHarness, harness

MIB, GIB = 1024**2, 1024**3


@pytest.fixture
async def site() -> AsyncIterator[XapiHarness]:
    async with harness() as one:
        assert isinstance(one, XapiHarness)
        yield one


@pytest.fixture
async def session(site: XapiHarness) -> XapiSession:
    made = await site.driver.connect(site.of(0))
    assert isinstance(made, XapiSession)
    await made.open_pool(site.pool())
    return made


def pool(url: str) -> PoolSpec:
    return PoolSpec(pool_id=uuid4(), url=url)


async def test_a_repository_is_named_by_label_or_uuid(
    site: XapiHarness, session: XapiSession
) -> None:
    store = site.world.store
    uuid = store.get("SR", store.refs("SR", name_label="one")[0])["uuid"]
    for url in ("presetup://one", "presetup://localhost/one", f"presetup://{uuid}"):
        assert (await session.open_pool(pool(url))).capacity_bytes == 16 * GIB
    with pytest.raises(Refused, match="there are one, two"):
        await session.open_pool(pool("presetup://three"))
    site.world.add_sr("one")
    with pytest.raises(Refused, match="use the uuid of one"):
        await session.open_pool(pool("presetup://one"))


async def test_an_nfs_repository_is_made_once(site: XapiHarness, session: XapiSession) -> None:
    share = pool("nfs://filer.test/vol/one")
    for _ in range(2):
        assert (await session.open_pool(share)).capacity_bytes == site.world.share_bytes
    assert site.world.calls["Async.SR.create"] == 1
    site.world.dead_servers.add("dead.test")
    with pytest.raises(Refused, match="NFS mount error"):
        await session.open_pool(pool("nfs://dead.test/vol"))


async def test_a_lun_is_found_by_its_number(site: XapiHarness, session: XapiSession) -> None:
    await session.open_pool(pool("iscsi://target.test/iqn.2026-01.test:disks/0"))
    pbds = [site.world.store.get("PBD", ref) for ref in site.world.store.refs("PBD")]
    assert sum("SCSIid" in pbd["device_config"] for pbd in pbds) == len(site.world.hosts)
    with pytest.raises(Refused, match="has no LUN 7, but 0"):
        await session.open_pool(pool("iscsi://target.test/iqn.2026-01.test:other/7"))


@pytest.mark.parametrize("url", ["rbd://mon/pool", "presetup://", "nfs://server", "iscsi://t/iqn"])
def test_a_pool_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="is not for XenServer"):
        read_url(pool(url))


async def test_a_host_that_joined_later_is_plugged_in(
    site: XapiHarness, session: XapiSession
) -> None:
    world = site.world
    sr = world.store.refs("SR", name_label="one")[0]
    for pbd in world.store.refs("PBD", SR=sr, host=world.hosts[0]):
        world.store.remove(pbd)
    await session.open_pool(site.pool())
    assert world.store.refs("PBD", SR=sr, host=world.hosts[0], currently_attached=True)


async def test_local_storage_of_another_host_is_refused(
    site: XapiHarness, session: XapiSession
) -> None:
    site.world.add_sr("local", kind="ext", hosts=[site.world.hosts[1]])
    with pytest.raises(Refused, match="local storage of another host"):
        await session.open_pool(pool("presetup://local"))


async def test_an_upload_follows_to_the_member_that_has_the_disk(
    site: XapiHarness, session: XapiSession
) -> None:
    world = site.world
    sr = world.add_sr("local", kind="ext", hosts=[world.hosts[1]])
    place, thing = Repository(sr, world.store.get("SR", sr)["uuid"]), uuid4()
    vdi = await vdis.begin(session.line, place, Kind.VOLUME, thing, 2 * MIB)
    await transfer.written(session.line, world.address(world.hosts[0]), vdi, b"redirected", "")
    with world.file(vdi).open("rb") as file:
        assert file.read(10) == b"redirected"
    await vdis.destroy(session.line, vdi)


async def test_a_full_repository_is_unavailable(site: XapiHarness, session: XapiSession) -> None:
    site.world.add_sr("thick", kind="lvmoiscsi", gib=1)
    thick, key = pool("presetup://thick"), uuid4()
    await session.open_pool(thick)
    first = DiskSpec(volume_id=uuid4(), size_bytes=GIB // 2 + 2 * MIB)
    await session.create_disk(thick, first, key=key)
    second = replace(first, volume_id=uuid4())
    with pytest.raises(Unavailable, match="free space in the repository"):
        await session.create_disk(thick, second, key=key)
    assert len(await session.list_disks(thick)) == 1
    await session.remove_disk(thick, first.volume_id, key=key)


async def test_an_image_of_another_format_is_converted(
    site: XapiHarness, session: XapiSession, tmp_path: Path
) -> None:
    """Or refused, where it is not what it claims to be."""
    raw = tmp_path / "image.raw"
    raw.write_bytes(b"raw bytes" + bytes(4 * MIB - 9))
    image = ImageSource(image_id=uuid4(), path=str(raw), image_format="raw", virtual_bytes=4 * MIB)
    spec = DiskSpec(volume_id=uuid4(), size_bytes=8 * MIB, image=image)
    disk = await session.import_disk(site.pool(), spec, key=uuid4())
    with site.file(disk.path).open("rb") as file:
        assert file.read(9) == b"raw bytes"
    assert disk.size_bytes == 8 * MIB
    for form, words in (("vhd", "is no vhd"), ("qcow2", "is no qcow2"), ("iso9", "is none of")):
        wrong = replace(spec, volume_id=uuid4(), image=replace(image, image_format=form))
        with pytest.raises(Refused, match=words):
            await session.import_disk(site.pool(), wrong, key=uuid4())
    await session.remove_disk(site.pool(), spec.volume_id, key=uuid4())


# ---- discs ----------------------------------------------------------------------------------


def disc(folder: Path) -> ImageSource:
    path = folder / "disc.iso"
    path.write_bytes(bytes(32_769) + b"CD001" + bytes(32_768))
    size = path.stat().st_size
    return ImageSource(image_id=uuid4(), path=str(path), image_format="iso", virtual_bytes=size)


async def test_a_disc_needs_a_library(
    site: XapiHarness, session: XapiSession, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="add an SR of type iso"):
        await session.keep_image(site.pool(), disc(tmp_path), key=uuid4())


async def test_a_disc_goes_into_the_drive_and_out(
    site: XapiHarness, session: XapiSession, tmp_path: Path
) -> None:
    site.world.add_sr("discs", kind="iso", content="iso", gib=1)
    image, pool_ = disc(tmp_path), site.pool()
    paths = {await session.keep_image(pool_, image, key=uuid4()) for _ in range(2)}
    path = paths.pop()
    assert not paths and site.file(path).read_bytes()[32_769:32_774] == b"CD001"
    spec = DiskSpec(volume_id=uuid4(), size_bytes=16 * MIB, image=site.image())
    root = await session.create_disk(pool_, spec, key=uuid4())
    guest = site.guest(disks=[DiskAttachment(volume_id=spec.volume_id, path=root.path, device=0)])
    await session.start_guest(guest, key=uuid4())
    plug = DiskAttachment(
        volume_id=image.image_id, path=path, device=3, image_format="iso", is_cdrom=True
    )
    for _ in range(2):
        await session.attach_disk(guest.guest_id, plug, key=uuid4())
    found = await session.find_guest(guest.guest_id)
    assert found is not None and found.disks == (root.path, path)
    assert await session.drop_image(pool_, image.image_id, key=uuid4()) is False, "a drive has it"
    for _ in range(2):
        await session.detach_disk(guest.guest_id, image.image_id, key=uuid4())
    assert await session.drop_image(pool_, image.image_id, key=uuid4()) is True
    await session.remove_guest(guest.guest_id, key=uuid4())
    await session.remove_disk(pool_, spec.volume_id, key=uuid4())
