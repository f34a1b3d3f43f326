"""Notes, details and icons: whose they are, who sees them, and that they go with their things."""

from __future__ import annotations

import base64
from pathlib import Path
from uuid import uuid4

import pytest
from cs import CloudStackApiException

from api.commands.resource_icon import checked
from api.errors import InvalidValue
from engine.history import History
from projections.annotation import notes
from projections.resource_detail import resource_details
from projections.resource_icon import resource_icons
from tests.tenant.test_tags import volume
from tests.tenant.world import SMALL, TEMPLATE, ZONE, Client, named, place, settled


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


DOT = encoded(b"\x89PNG\r\n\x1a\n dot")
DRAWING = encoded(b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="1"/></svg>')


async def guest(who: Client) -> str:
    asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    made = await who.job("deployVirtualMachine", startvm="false", **asked)
    return str(made["virtualmachine"]["id"])


async def refused(who: Client, command: str, **asked: object) -> str:
    with pytest.raises(CloudStackApiException) as raised:
        await who(command, **asked)
    return str(raised.value.error["errortext"])


async def test_notes_are_left_shown_hidden_and_taken_away(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        vm, disk = await guest(here.ann), await volume(here.ann, "d")
        about = {"entitytype": "VM", "entityid": vm}
        left = (await here.admin("addAnnotation", annotation="hot", **about))["annotation"]
        assert (left["annotation"], left["username"], left["adminsonly"]) == ("hot", "admin", False)
        shown = await here.ann.one("listVirtualMachines", "virtualmachine", id=vm)
        assert shown["hasannotations"] is True
        await here.admin("updateAnnotationVisibility", id=left["id"], adminsonly="true")
        shown = await here.ann.one("listVirtualMachines", "virtualmachine", id=vm)
        assert shown["hasannotations"] is False
        await here.admin("addAnnotation", annotation="full", entitytype="volume", entityid=disk)
        found = await here.admin("listAnnotations", entitytype="VM", entityid=vm)
        assert [one["id"] for one in found["annotation"]] == [left["id"]]
        assert (await here.admin("listAnnotations", annotationfilter="self"))["count"] == 2
        await refused(here.ann, "listAnnotations")
        wrong = {"entitytype": "VM", "entityid": disk, "annotation": "x"}
        assert "does not exist" in await refused(here.admin, "addAnnotation", **wrong)
        gone = (await here.admin("removeAnnotation", id=left["id"]))["annotation"]
        assert gone["removed"]
        assert (await here.admin("listAnnotations"))["count"] == 1


async def test_details_are_those_of_the_thing_and_those_that_were_added(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        disk = await volume(here.ann, "d")
        thing = {"resourcetype": "Volume", "resourceid": disk}
        pairs = [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
        await here.admin.job("addResourceDetail", details=pairs, **thing)
        hidden = [{"key": "secret", "value": "3"}]
        await here.admin.job("addResourceDetail", details=hidden, fordisplay="false", **thing)
        mine = (await here.ann("listResourceDetails", **thing))["resourcedetail"]
        assert {one["key"]: one["value"] for one in mine} == {"a": "1", "b": "2"}
        every = (await here.admin("listResourceDetails", **thing))["resourcedetail"]
        assert {one["key"] for one in every} == {"a", "b", "secret"}
        assert "does not exist" in await refused(here.bob, "listResourceDetails", **thing)
        assert await here.bob("listResourceDetails", resourcetype="Volume", listall="true") == {}
        assert (await here.ann("listResourceDetails", resourcetype="Volume"))["count"] == 2
        await refused(here.ann, "addResourceDetail", details=pairs, **thing)
        await here.admin.job("removeResourceDetail", key="a", **thing)
        await refused(here.admin, "removeResourceDetail", key="a", **thing)
        await here.admin.job("removeResourceDetail", **thing)
        assert await here.admin("listResourceDetails", **thing) == {}


async def test_icons_are_pictures_and_nothing_else(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        mine, his = await guest(here.ann), await guest(here.bob)
        vms = {"resourcetype": "UserVm"}
        before = await settled(here.controller.cloud)
        for bad in (
            "no base64!",
            encoded(b"GIF89a"),
            encoded(b"<svg onload='alert(1)'></svg>"),
            encoded(b"<svg><script>alert(1)</script></svg>"),
            encoded(b'<svg><image href="http://example.org/x"/></svg>'),
            encoded(b"<html></html>"),
        ):
            await refused(
                here.ann, "uploadResourceIcon", resourceids=[mine], base64image=bad, **vms
            )
        for other in (his, str(uuid4())):
            asked = {"resourceids": [mine, other], "base64image": DOT}
            assert "does not exist" in await refused(here.ann, "uploadResourceIcon", **asked, **vms)
        assert here.controller.cloud.position == before
        await here.ann("uploadResourceIcon", resourceids=[mine], base64image=DOT, **vms)
        drawn = f"data:image/svg+xml;base64,{DRAWING}"
        await here.ann("uploadResourceIcon", resourceids=[mine], base64image=drawn, **vms)
        (icon,) = (await here.ann("listResourceIcon", resourceids=[mine], **vms))["icon"]
        assert (icon["base64image"], icon["resourcetype"]) == (DRAWING, "UserVm")
        shown = await here.ann.one("listVirtualMachines", "virtualmachine", showicon="true")
        assert shown["icon"] == icon
        assert "icon" not in await here.ann.one("listVirtualMachines", "virtualmachine")
        assert "does not exist" in await refused(
            here.bob, "listResourceIcon", resourceids=[mine], **vms
        )
        await here.ann("deleteResourceIcon", resourceids=[mine], **vms)
        await refused(here.ann, "deleteResourceIcon", resourceids=[mine], **vms)


def test_an_icon_is_small() -> None:
    with pytest.raises(InvalidValue, match="at most 131072"):
        checked(encoded(b"\x89PNG\r\n\x1a\n" + b"x" * 200_000))


async def test_all_of_it_goes_with_the_thing(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        vm, cloud = await guest(here.ann), here.controller.cloud
        vms, pair = {"resourcetype": "UserVm"}, [{"key": "a", "value": "1"}]
        await here.ann("uploadResourceIcon", resourceids=[vm], base64image=DOT, **vms)
        await here.admin("addAnnotation", annotation="x", entitytype="VM", entityid=vm)
        await here.admin.job("addResourceDetail", resourceid=vm, details=pair, **vms)
        ann = {"domainid": str(named("domain ann")), "account": "ann"}
        await here.admin("updateResourceLimit", resourcetype=2, max=9, **ann)
        assert [len(cloud[one]) for one in (notes, resource_details, resource_icons)] == [1, 1, 1]
        await here.admin.job("destroyVirtualMachine", id=vm, expunge="true")
        assert [len(cloud[one]) for one in (notes, resource_details, resource_icons)] == [0, 0, 0]
        rebuilt = await History(here.controller.log, tmp_path / "none").latest()
        assert rebuilt.digest() == cloud.digest()
