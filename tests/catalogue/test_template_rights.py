"""Whose template it is: who sees it, who may use it, and what a tenant's URL may not reach."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from cs import CloudStackException

from engine.genesis import BUILTIN_TEMPLATE
from engine.genesis_catalogue import TEMPLATES_WITHOUT_IMAGE
from tests.catalogue.server import Api
from tests.catalogue.test_identity import _account
from tests.catalogue.test_templates import KVM, _settled

SIM: dict[str, Any] = {"url": "sim://x", "hypervisor": "Simulator", "format": "QCOW2"}


async def _names(api: Api, which: str, **more: Any) -> set[str]:
    found = await api("listTemplates", templatefilter=which, **more)
    return {one["name"] for one in found.get("template", [])}


async def test_what_each_filter_shows(api: Api) -> None:
    _, mine = await _account(api, "mine")
    _, other = await _account(api, "other")
    await mine("registerTemplate", name="private", **SIM)
    await mine("registerTemplate", name="public", ispublic=True, **SIM)
    builtin = "Tiny Linux (Simulator)"
    assert await _names(mine, "self") == {"private", "public"}
    assert await _names(mine, "executable") == {"private", "public", builtin}
    assert await _names(mine, "featured") == {builtin}
    assert await _names(other, "executable") == {"public", builtin}
    assert await _names(other, "community") == {"public"}
    assert await _names(other, "self") == set()
    without_image = {name for name, _, _ in TEMPLATES_WITHOUT_IMAGE}
    everything = {"private", "public", builtin} | without_image
    assert await _names(api, "all") == everything
    assert await _names(api, "self", listall=True) == everything
    with pytest.raises(CloudStackException, match="for administrators"):
        await other("listTemplates", templatefilter="all")


async def test_sharing_with_one_account(api: Api) -> None:
    _, mine = await _account(api, "mine")
    _, other = await _account(api, "other")
    made = await mine("registerTemplate", name="private", **SIM)
    template_id = made["template"][0]["id"]
    await mine("updateTemplatePermissions", id=template_id, op="add", accounts="other")
    assert await _names(other, "sharedexecutable") == {"private"}
    told = await mine("listTemplatePermissions", id=template_id)
    assert told["templatepermission"]["account"] == ["other"]
    for command in ("deleteTemplate", "updateTemplate", "listTemplatePermissions"):
        with pytest.raises(CloudStackException, match="may not operate"):
            await other(command, id=template_id)
    with pytest.raises(CloudStackException, match="no account nobody"):
        await mine("updateTemplatePermissions", id=template_id, op="add", accounts="nobody")
    await mine("updateTemplatePermissions", id=template_id, op="reset")
    assert await _names(other, "sharedexecutable") == set()


async def test_what_only_administrators_may(api: Api) -> None:
    _, mine = await _account(api, "mine")
    with pytest.raises(CloudStackException, match="only an administrator"):
        await mine("registerTemplate", url="file:///etc/passwd", **KVM)
    made = await mine("registerTemplate", name="x", isfeatured=True, **SIM)
    assert made["template"][0]["isfeatured"] is False
    with pytest.raises(CloudStackException, match="may not operate"):
        await mine("deleteTemplate", id=str(BUILTIN_TEMPLATE))
    with pytest.raises(CloudStackException, match="came with the cloud"):
        await api("deleteTemplate", id=str(BUILTIN_TEMPLATE))
    with pytest.raises(CloudStackException, match="cannot be given"):
        await mine("registerTemplate", name="x", templatetype="SYSTEM", **SIM)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "169.254.169.254", "0.0.0.0"]
)
async def test_a_tenants_url_does_not_reach_the_controller(api: Api, host: str) -> None:
    """Whichever way the address is written, it is the address that counts."""
    _, mine = await _account(api, "mine")
    port = api.endpoint.split(":")[2].split("/")[0]
    row = await _settled(mine, url=f"http://{host}:{port}/healthz", watcher=api)
    assert "only an administrator may name" in row["status"] or "no usable URL" in row["status"]


async def test_a_redirect_may_not_leave_http(api: Api) -> None:
    async def away(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "file:///etc/passwd"})

    app = web.Application()
    app.router.add_get("/a", away)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    row = await _settled(api, url=f"http://127.0.0.1:{runner.addresses[0][1]}/a")
    await runner.cleanup()
    assert "which is not HTTP" in row["status"]
