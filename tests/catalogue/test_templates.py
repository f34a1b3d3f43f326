"""Templates: fetched, looked at, shown, shared and deleted, and what is no image refused."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cs import CloudStackException

from engine.genesis import BUILTIN_TEMPLATE
from tests.catalogue.controller import Controller
from tests.catalogue.server import Api

KVM: dict[str, Any] = {"hypervisor": "KVM", "format": "QCOW2", "name": "tiny"}


@pytest.fixture
async def image(tmp_path: Path) -> Path:
    """A small QCOW2 disk of 64 MiB, made by QEMU itself."""
    assert shutil.which("qemu-img"), "qemu-img is missing: install qemu-utils"
    path = tmp_path / "disk.qcow2"
    await _qemu_img("create", "-f", "qcow2", str(path), "64M")
    return path


def _sum(path: Path, algorithm: str) -> str:
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


async def _qemu_img(*arguments: str) -> None:
    quiet = asyncio.subprocess.DEVNULL
    made = await asyncio.create_subprocess_exec("qemu-img", *arguments, stdout=quiet)
    assert await made.wait() == 0


class Web:
    """A web server whose answers a test decides; `gate` holds the second half back."""

    def __init__(self) -> None:
        self.body, self.status, self.url = b"", 200, ""
        self.gate = asyncio.Event()
        self.gate.set()

    def hold(self, image: Path) -> None:
        """Serve this image, and only half of it until the gate opens."""
        self.body = image.read_bytes()
        self.gate.clear()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            return web.Response(status=self.status)
        answer = web.StreamResponse(headers={"Content-Length": str(len(self.body))})
        await answer.prepare(request)
        half = len(self.body) // 2
        await answer.write(self.body[:half])
        await self.gate.wait()
        await answer.write(self.body[half:])
        return answer


@pytest.fixture
async def site() -> AsyncIterator[Web]:
    one = Web()
    app = web.Application()
    app.router.add_get("/{name}", one.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/disk.qcow2"
    yield one
    one.gate.set()
    await runner.cleanup()


async def _one(api: Api, template_id: str) -> dict[str, Any]:
    found = await api("listTemplates", templatefilter="all", id=template_id)
    return dict(found["template"][0])


async def _settled(api: Api, watcher: Api | None = None, **asked: Any) -> dict[str, Any]:
    """Register a template and wait until its download has ended either way."""
    answer = await api("registerTemplate", **(KVM | asked))
    assert answer["count"] == 1
    for _ in range(3000):
        row = await _one(watcher or api, answer["template"][0]["id"])
        if row["isready"] or row["status"].startswith("Download Error"):
            return row
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {row['status']}")


async def test_the_builtin_template_is_there(api: Api) -> None:
    found = await api("listTemplates", templatefilter="featured", isready="true")
    assert [one["id"] for one in found["template"]] == [str(BUILTIN_TEMPLATE)]
    assert found["template"][0]["hypervisor"] == "Simulator"
    assert found["template"][0]["crossZones"] is True


async def test_what_tools_look_for_by_name_says_that_it_has_no_image(api: Api) -> None:
    for name in ("CentOS 5.5(64-bit) no GUI (KVM)", "SystemVM Template (KVM)"):
        found = (await api("listTemplates", templatefilter="all", name=name))["template"]
        assert [one["isready"] for one in found] == [False]
        assert "register one of your own" in found[0]["status"]
    listed = await api("listTemplates", templatefilter="executable")
    assert [one["hypervisor"] for one in listed["template"]] == ["Simulator"]


async def test_a_local_file_becomes_a_template(
    api: Api, image: Path, controller: Controller
) -> None:
    sum_ = _sum(image, "sha256")
    row = await _settled(api, url=image.as_uri(), checksum="{SHA-256}" + sum_)
    assert row["status"] == "Download Complete"
    assert row["size"] == 64 * 2**20
    assert row["checksum"] == "{SHA-256}" + sum_
    kept = [path.name for path in (controller.home / "images").iterdir()]
    assert kept == [f"{row['id']}.qcow2"]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
async def test_every_checksum_that_clients_send(api: Api, image: Path, algorithm: str) -> None:
    right = _sum(image, algorithm)
    row = await _settled(api, url=image.as_uri(), checksum=right.upper())
    assert row["isready"]


async def test_a_wrong_checksum_is_told(api: Api, image: Path, controller: Controller) -> None:
    row = await _settled(api, url=image.as_uri(), checksum="0" * 32)
    assert not row["isready"] and "0" * 32 in row["status"]
    assert list((controller.home / "images").iterdir()) == []


async def test_a_download_says_how_far_it_is(api: Api, image: Path, site: Web) -> None:
    site.hold(image)
    answer = await api("registerTemplate", url=site.url, **KVM)
    template_id = answer["template"][0]["id"]
    assert answer["template"][0]["status"] == "0% Downloaded"
    for _ in range(3000):
        if (await _one(api, template_id))["status"] == "50% Downloaded":
            break
        await asyncio.sleep(0.02)
    assert (await _one(api, template_id))["status"] == "50% Downloaded"
    site.gate.set()
    for _ in range(3000):
        if (await _one(api, template_id))["isready"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the download did not end")


async def test_deleting_cancels_a_download(
    api: Api, image: Path, site: Web, controller: Controller
) -> None:
    site.hold(image)
    answer = await api("registerTemplate", url=site.url, **KVM)
    await api.job("deleteTemplate", id=answer["template"][0]["id"])
    assert list((controller.home / "images").iterdir()) == []
    found = await api("listTemplates", templatefilter="all", name="tiny")
    assert found == {}


async def test_a_missing_page_is_told(api: Api, site: Web) -> None:
    site.status = 404
    row = await _settled(api, url=site.url)
    assert "404" in row["status"]


async def test_a_deleted_template_is_gone_with_its_image(
    api: Api, image: Path, controller: Controller
) -> None:
    row = await _settled(api, url=image.as_uri())
    await api.job("deleteTemplate", id=row["id"])
    assert list((controller.home / "images").iterdir()) == []
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await _one(api, row["id"])


def _v3(backing: int, incompatible: int) -> bytes:
    """The header of a QCOW2 file that was made to do harm."""
    head = b"QFI\xfb" + struct.pack(">IQI", 3, backing, 16) + b"\0" * 52
    return (head + struct.pack(">Q", incompatible)).ljust(65536, b"\0")


@pytest.mark.parametrize(
    ("declared", "content", "words"),
    [
        ("QCOW2", _v3(backing=1024, incompatible=0), "backing file"),
        ("QCOW2", _v3(backing=0, incompatible=4), "another file"),
        ("QCOW2", b"<html>not found</html>".ljust(512), "no QCOW2"),
        ("QCOW2", b"", "empty"),
        ("RAW", b"<html>not found</html>".ljust(512), "no raw disk"),
        ("RAW", b"\1" * 513, "no raw disk"),
        ("RAW", _v3(backing=0, incompatible=0), "qcow2"),
        ("VMDK", b"# Disk DescriptorFile\n".ljust(512), "no VMDK"),
        ("VHD", b"\1" * 1024, "vpc was declared"),
        ("OVA", b"\1" * 1024, "no OVA"),
    ],
)
async def test_what_is_no_image_is_refused(
    api: Api, tmp_path: Path, declared: str, content: bytes, words: str
) -> None:
    path = tmp_path / "evil"
    path.write_bytes(content)
    row = await _settled(api, url=path.as_uri(), format=declared)
    assert not row["isready"]
    assert words in row["status"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "ftp://example.org/a"}, "cannot be fetched"),
        ({"url": "http://user:pw@example.org/a"}, "password"),
        ({"url": "http://example.org/a.gz"}, "compressed"),
        ({"format": "FLOPPY"}, "no format"),
        ({"checksum": "xyz"}, "checksum"),
    ],
)
async def test_what_can_never_work_is_refused_at_once(
    api: Api, wrong: dict[str, str], words: str
) -> None:
    with pytest.raises(CloudStackException, match=words):
        await api("registerTemplate", **(KVM | {"url": "http://example.org/a"} | wrong))
    assert await api("listTemplates", templatefilter="all", name="tiny") == {}


async def test_simulated_hosts_need_no_image(api: Api) -> None:
    answer = await api(
        "registerTemplate", name="s", url="sim://s", hypervisor="simulator", format="QCOW2"
    )
    assert answer["template"][0]["isready"] is True


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "cannot be fetched"),
        ("ftp://example.org/a", "cannot be fetched"),
        ("http:///a", "names no host"),
        ("http://example.org/a.gz", "is compressed"),
    ],
)
async def test_their_urls_are_what_others_are(api: Api, url: str, words: str) -> None:
    """Nothing is fetched for simulated hosts, and a rehearsal refuses what the real thing would."""
    said = {"hypervisor": "Simulator", "format": "QCOW2", "url": url}
    with pytest.raises(CloudStackException, match=words):
        await api("registerTemplate", name="s", **said)


async def test_update_changes_only_what_was_given(api: Api) -> None:
    before = await _one(api, str(BUILTIN_TEMPLATE))
    answer = await api(
        "updateTemplate", id=str(BUILTIN_TEMPLATE), displaytext="new", details=[{"boot": "uefi"}]
    )
    assert answer["template"]["details"] == {"boot": "uefi"}
    changed = {"displaytext": "new", "details": {"boot": "uefi"}}
    assert answer["template"] == before | changed
