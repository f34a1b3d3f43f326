"""A template is kept in a format that its kind of hypervisor takes, whatever it came in."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.images.conftest import ZONE_2, Site
from tests.images.files import appliance, converted, qcow2
from tests.images.test_zones import ready
from tests.tenant.world import ZONE, Place


def really(path: Path) -> str:
    argv = ["qemu-img", "info", "--output=json", str(path)]
    done = subprocess.run(argv, check=True, capture_output=True, timeout=120)
    return str(json.loads(done.stdout)["format"])


async def register(here: Place, url: str, image_format: str, **more: Any) -> dict[str, Any]:
    ask = {"name": "t", "hypervisor": "KVM", "format": image_format, "url": url}
    made = await here.admin("registerTemplate", **ask, zoneid=str(ZONE), **more)
    return await ready(here.admin, "template", made["template"][0]["id"], str(ZONE))


def files(here: Place) -> list[Path]:
    images = here.controller.settings.home / "images"
    return sorted(path for path in images.rglob("*") if path.is_file())


@pytest.mark.parametrize("image_format", ["vmdk", "vpc", "vhdx"])
async def test_a_disk_of_another_format_is_converted(
    here: Place, site: Site, tmp_path: Path, image_format: str
) -> None:
    word = {"vpc": "VHD"}.get(image_format, image_format.upper())
    options = ("-o", "subformat=streamOptimized") if image_format == "vmdk" else ()
    content = converted(tmp_path, image_format, *options)
    digest = hashlib.sha256(content).hexdigest()

    row = await register(here, site.offer("it", content), word, checksum="{SHA-256}" + digest)

    assert row["isready"] and row["format"] == word, row
    (kept,) = files(here)
    assert really(kept) == "qcow2"
    done = await here.admin.job(
        "copyTemplate", id=row["id"], sourcezoneid=str(ZONE), destzoneids=[str(ZONE_2)]
    )
    assert done["template"]["id"] == row["id"]
    assert {really(path) for path in files(here)} == {"qcow2"}
    await here.admin.job("deleteTemplate", id=row["id"])
    assert files(here) == []


async def test_an_appliance_becomes_its_one_disk(here: Place, site: Site, tmp_path: Path) -> None:
    row = await register(here, site.offer("it.ova", appliance(tmp_path)), "OVA")
    assert row["isready"], row
    assert [really(path) for path in files(here)] == ["qcow2"]


async def test_an_appliance_of_several_disks_says_what_to_do(
    here: Place, site: Site, tmp_path: Path
) -> None:
    row = await register(here, site.offer("it.ova", appliance(tmp_path, disks=2)), "OVA")
    assert not row["isready"] and "each disk as a template" in row["status"], row
    assert files(here) == [], "nothing is left beside its place"


async def test_what_fits_stays_as_it_came(here: Place, site: Site, tmp_path: Path) -> None:
    content = qcow2(tmp_path)
    row = await register(here, site.offer("it", content), "QCOW2")
    (kept,) = files(here)
    assert row["isready"] and kept.read_bytes() == content
