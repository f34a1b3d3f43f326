"""Downloads and uploads over HTTP: real files, ranges, signatures, and their end."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cs import CloudStackException

from engine.chores.download_link import (
    close_old_downloads,
    drop_uploaded_images,
    give_up_old_uploads,
)
from engine.genesis import stable_id
from projections.download_link import download_links
from tests.images.conftest import Site
from tests.images.files import disc, qcow2
from tests.images.test_zones import ready, template
from tests.tenant.world import SMALL, TEMPLATE, ZONE, Client, Place

LINUX = str(stable_id("os_type", "Other Linux (64-bit)"))
LATER_MS = 1 << 50


async def get(url: str, **headers: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.read()


async def post(params: dict[str, Any], content: bytes, **over: str) -> tuple[int, dict[str, Any]]:
    """Send a file as consoles do: a form with one field, signed in its headers."""
    headers = {"X-signature": params["signature"], "X-metadata": params["metadata"]}
    headers |= {"X-expires": params["expires"], **over}
    form = aiohttp.FormData()
    form.add_field("note", "not the file")
    form.add_field("file", content, filename="image", content_type="application/octet-stream")
    async with (
        aiohttp.ClientSession() as session,
        session.post(params["postURL"], data=form, headers=headers) as answer,
    ):
        told = await answer.text()
        return answer.status, {"text": told}


async def extracted(api: Client, command: str, key: str, thing: str) -> dict[str, Any]:
    ask = {"id": thing, "mode": "HTTP_DOWNLOAD", "zoneid": str(ZONE)}
    done: dict[str, Any] = (await api.job(command, **ask))[key]
    assert done["state"] == "DOWNLOAD_URL_CREATED" and done["extractMode"] == "HTTP_DOWNLOAD"
    return done


async def test_a_template_is_downloaded_whole_and_in_part(
    here: Place, site: Site, tmp_path: Path
) -> None:
    image_id = await template(here, site, tmp_path, isextractable="true")
    done = await extracted(here.admin, "extractTemplate", "template", image_id)
    content = site.files["tiny.qcow2"]
    assert done["id"] == image_id
    assert await get(done["url"]) == (200, content)
    assert await get(done["url"], Range="bytes=100-199") == (206, content[100:200])
    assert (await get(done["url"], Range=f"bytes={len(content) + 1}-"))[0] == 416


async def test_a_download_opens_for_its_url_alone(here: Place, site: Site, tmp_path: Path) -> None:
    image_id = await template(here, site, tmp_path)
    done = await extracted(here.admin, "extractTemplate", "template", image_id)
    url = done["url"]
    base, _, name = url.rpartition("/")
    link, _, token = base.rpartition("/")
    for wrong in (
        f"{link}/{token[:-1]}0/{name}" if token[-1] != "0" else f"{link}/{token[:-1]}1/{name}",
        f"{link}/x/{name}",
        url.replace(done["extractId"], image_id),
        f"{link}/{token}/..%2f..%2flog.db/x",
        url.replace(done["extractId"], "no-uuid"),
    ):
        assert (await get(wrong))[0] == 404, wrong
    # The name is only a name: what is given follows from the link.
    assert await get(f"{link}/{token}/..%2f..%2flog.db") == (200, site.files["tiny.qcow2"])
    log = "".join(map(str, here.controller.cloud[download_links]))
    assert token not in log, "the secret of a URL is in the vault alone"


async def test_a_download_ends(here: Place, site: Site, tmp_path: Path) -> None:
    image_id = await template(here, site, tmp_path)
    name = "extract.url.expiration.interval"
    await here.admin("updateConfiguration", name=name, value="0")
    over = await extracted(here.admin, "extractTemplate", "template", image_id)
    assert (await get(over["url"]))[0] == 410
    await close_old_downloads(here.controller.engine, LATER_MS)
    assert (await get(over["url"]))[0] == 404
    await here.admin("updateConfiguration", name=name, value="600")
    gone = await extracted(here.admin, "extractTemplate", "template", image_id)
    await here.admin.job("deleteTemplate", id=image_id)
    assert (await get(gone["url"]))[0] == 410
    await close_old_downloads(here.controller.engine, 0)
    assert not list(here.controller.cloud[download_links])


async def test_who_may_take_an_image_out(here: Place) -> None:
    """The built-in template is public and not extractable; its URL is told to who asked alone."""
    with pytest.raises(CloudStackException, match="not extractable"):
        await here.ann("extractTemplate", id=TEMPLATE, mode="HTTP_DOWNLOAD")
    with pytest.raises(CloudStackException, match="FTP_UPLOAD"):
        await here.admin("extractTemplate", id=TEMPLATE, mode="FTP_UPLOAD", url="ftp://x/y")
    await here.admin("updateTemplatePermissions", id=TEMPLATE, isextractable="true")
    job = await here.ann("extractTemplate", id=TEMPLATE, mode="HTTP_DOWNLOAD")
    done = await here.ann.ended(job["jobid"])
    status, content = await get(done["template"]["url"])
    assert status == 200 and b"simulated" in content
    other = await here.admin("queryAsyncJobResult", jobid=job["jobid"])
    assert "url" not in other["jobresult"]["template"]


async def test_a_volume_is_downloaded_when_nobody_writes_it(here: Place) -> None:
    ask = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    vm = (await here.ann.job("deployVirtualMachine", **ask))["virtualmachine"]
    root = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    wanted = {"id": root["id"], "mode": "HTTP_DOWNLOAD", "zoneid": str(ZONE)}
    with pytest.raises(CloudStackException, match="stop it or detach"):
        await here.ann("extractVolume", **wanted)
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await here.bob("extractVolume", **wanted)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    done = await extracted(here.ann, "extractVolume", "volume", root["id"])
    status, content = await get(done["url"])
    assert status == 200 and content
    folder = here.controller.settings.home / "downloads"
    assert len(list(folder.iterdir())) == 1
    assert (await here.ann.one("listVolumes", "volume", id=root["id"]))["state"] == "Ready"
    await close_old_downloads(here.controller.engine, LATER_MS)
    assert list(folder.iterdir()) == [], "what was made for a download ends with it"
    await here.ann.job("startVirtualMachine", id=vm["id"])


async def upload_iso(here: Place, **more: str) -> dict[str, Any]:
    ask = {"name": "disc", "format": "ISO", "zoneid": str(ZONE), "ostypeid": LINUX}
    told = await here.ann("getUploadParamsForIso", **(ask | more))
    params: dict[str, Any] = told["getuploadparams"]
    return params


async def test_an_iso_is_uploaded_by_a_form(here: Place) -> None:
    params = await upload_iso(here, checksum=hashlib.sha256(disc()).hexdigest())
    line = await here.ann.one("listIsos", "iso", isofilter="self", id=params["id"])
    assert line["status"] == "Not Uploaded" and line["isready"] is False
    assert (await post(params, disc()))[0] == 200
    line = await ready(here.admin, "iso", params["id"], str(ZONE))
    assert line["isready"] and line["size"] == len(disc())
    assert (await post(params, disc()))[0] == 401, "a signature is good for one file"


@pytest.mark.parametrize(
    "over",
    [
        {"X-signature": "wrong"},
        {"X-signature": ""},
        {"X-expires": "2099-01-01T00:00:00+0000"},
    ],
)
async def test_an_upload_needs_its_signature(here: Place, over: dict[str, str]) -> None:
    params = await upload_iso(here)
    assert (await post(params, disc(), **over))[0] == 401
    images = here.controller.settings.home / "images"
    assert not [path for path in images.rglob("*") if path.is_file()]
    assert (await post(params, disc()))[0] == 200


async def test_what_was_uploaded_is_looked_at(here: Place) -> None:
    """Something that is no disc, and one with another checksum: told, and not kept."""
    images = here.controller.settings.home / "images"
    for content, more, words in (
        (b"<html>".ljust(50_000), {}, "no disc"),
        (disc(), {"checksum": "0" * 64}, "was expected"),
    ):
        params = await upload_iso(here, **more)
        assert (await post(params, content))[0] == 200
        line = await ready(here.admin, "iso", params["id"], str(ZONE))
        assert words in line["status"]
        assert not [path for path in images.rglob("*") if path.is_file()]


async def test_no_more_is_received_than_is_allowed(here: Place) -> None:
    await here.admin("updateConfiguration", name="max.template.iso.size", value="0")
    params = await upload_iso(here)
    status, told = await post(params, disc())
    assert status == 400 and "more than 0 bytes" in told["text"]
    images = here.controller.settings.home / "images"
    assert not [path for path in images.rglob("*") if path.is_file()]


async def test_an_upload_that_never_came_is_given_up(here: Place) -> None:
    params = await upload_iso(here)
    await give_up_old_uploads(here.controller.engine, LATER_MS)
    line = await here.ann.one("listIsos", "iso", isofilter="self", id=params["id"])
    assert "nothing was uploaded in time" in line["status"]
    assert (await post(params, disc()))[0] == 401
    await here.ann.job("deleteIso", id=params["id"])


async def test_a_template_is_uploaded(here: Place, tmp_path: Path) -> None:
    ask = {"name": "t", "format": "QCOW2", "hypervisor": "KVM", "zoneid": str(ZONE)}
    params = (await here.ann("getUploadParamsForTemplate", **ask))["getuploadparams"]
    assert (await post(params, qcow2(tmp_path, "3M")))[0] == 200
    line = await ready(here.admin, "template", params["id"], str(ZONE))
    assert line["size"] == 3 * 2**20


async def test_a_volume_from_a_url_comes_to_a_guest(
    here: Place, site: Site, tmp_path: Path
) -> None:
    url = site.offer("disk.qcow2", qcow2(tmp_path, "5M"))
    ask = {"zoneid": str(ZONE), "format": "QCOW2"}
    made = await here.admin.job("uploadVolume", name="from outside", url=url, **ask)
    volume = made["volume"]
    assert volume["state"] == "Uploaded" and volume["size"] == 5 * 2**20
    done = await extracted(here.admin, "extractVolume", "volume", volume["id"])
    assert await get(done["url"]) == (200, site.files["disk.qcow2"])
    vm = await here.admin.job(
        "deployVirtualMachine", zoneid=str(ZONE), serviceofferingid=SMALL, templateid=TEMPLATE
    )
    vm_id = vm["virtualmachine"]["id"]
    done = await here.admin.job("attachVolume", id=volume["id"], virtualmachineid=vm_id)
    assert done["volume"]["state"] == "Ready"
    images = here.controller.settings.home / "images"
    assert len([path for path in images.rglob("*") if path.is_file()]) == 1
    await drop_uploaded_images(here.controller.engine, 0)
    assert not [path for path in images.rglob("*") if path.is_file()]
    with pytest.raises(CloudStackException, match="QCOW2 or RAW"):
        await here.admin("uploadVolume", name="v", url=url, zoneid=str(ZONE), format="VMDK")


async def test_a_volume_that_cannot_be_had_says_why(here: Place, site: Site) -> None:
    ask = {"zoneid": str(ZONE), "format": "QCOW2", "name": "v"}
    with pytest.raises(CloudStackException, match="404"):
        await here.admin.job("uploadVolume", url=f"{site.url}/nothing", **ask)
    row = await here.admin.one("listVolumes", "volume", name="v")
    assert row["state"] == "UploadError"
    with pytest.raises(CloudStackException, match="UploadError"):
        await here.admin("extractVolume", id=row["id"], mode="HTTP_DOWNLOAD", zoneid=str(ZONE))
    await here.admin("deleteVolume", id=row["id"])


async def test_a_volume_is_uploaded_by_a_form(here: Place, tmp_path: Path) -> None:
    ask = {"name": "sent", "format": "QCOW2", "zoneid": str(ZONE)}
    params = (await here.ann("getUploadParamsForVolume", **ask))["getuploadparams"]
    row = await here.ann.one("listVolumes", "volume", id=params["id"])
    assert row["state"] == "NotUploaded"
    assert (await post(params, qcow2(tmp_path, "2M")))[0] == 200
    for _ in range(200):
        row = await here.ann.one("listVolumes", "volume", id=params["id"])
        if row["state"] == "Uploaded":
            break
    assert row["state"] == "Uploaded" and row["size"] == 2 * 2**20
    await here.ann("deleteVolume", id=params["id"])
    images = here.controller.settings.home / "images"
    assert not [path for path in images.rglob("*") if path.is_file()]
