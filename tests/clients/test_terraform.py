"""The Terraform provider, driven by OpenTofu: applied once, nothing is left to change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.place import Place, cloud
from tests.peers.terraform import Tofu

pytestmark = [pytest.mark.real, pytest.mark.timeout(2400)]
HERE = Path(__file__).parent


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with cloud(tmp_path / "home") as one:
        yield one


def test_what_is_written_down_comes_to_be_and_goes(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "tf"
    folder.mkdir()
    shutil.copy(HERE / "cloud.tf", folder / "cloud.tf")
    api = place.api
    chosen = folder / "terraform.tfvars"
    chosen.write_text(f'zone = "{place.built.zone}"\ntemplate = "{place.shape["templateid"]}"\n')
    tofu = Tofu(folder, api.endpoint, api.key, api.secret)

    tofu.apply()
    assert tofu.changes() == []
    guest = api.one("listVirtualMachines", "virtualmachine", name="tf-web")
    assert guest["state"] == "Running"
    assert [(one["key"], one["value"]) for one in guest["tags"]] == [("role", "web")]

    chosen.write_text(chosen.read_text() + 'display = "another name"\n')
    assert tofu.changes() == ["cloudstack_instance.web: ['update']"]
    tofu.apply()
    assert tofu.changes() == []
    assert api.one("listVirtualMachines", "virtualmachine", name="tf-web")["displayname"] == (
        "another name"
    )

    tofu.destroy()
    for command, params in (
        ("listVirtualMachines", {}),
        ("listVolumes", {}),
        ("listNetworks", {"type": "Isolated"}),
        ("listVPCs", {}),
        ("listSecurityGroups", {"securitygroupname": "tf-front"}),
        ("listPublicIpAddresses", {}),
    ):
        assert "count" not in api(command, listall=True, **params), command
