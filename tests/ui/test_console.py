"""The web console in a real browser, on a cloud of simulated hosts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.peers.browser import browser_page
from tests.tenant.world import SMALL, TEMPLATE, ZONE, Place, place

pytestmark = pytest.mark.real

PASSWORD = "a password of nobody 1"
NOUNS = json.loads((Path(__file__).parents[2] / "ui" / "nouns.json").read_text())


class Console:
    """The console as somebody has it before them."""

    def __init__(self, here: Place, page: Page) -> None:
        self.here, self.page = here, page
        self.root = here.controller.endpoint.removesuffix("client/api")

    async def sign_in(self, user: str, password: str, domain: str = "") -> None:
        await self.page.goto(self.root)
        for label, text in (("user", user), ("password", password), ("domain", domain)):
            await self.page.get_by_label(label, exact=True).fill(text)
        await self.page.keyboard.press("Enter")

    async def as_admin(self) -> None:
        made = await self.here.controller.credentials()
        assert made is not None
        await self.sign_in(made.username, made.password)
        await expect(self.heading("Overview")).to_be_visible()

    async def go(self, where: str) -> None:
        await self.page.goto(f"{self.root}client/#/{where}")

    def heading(self, text: str):  # type: ignore[no-untyped-def]
        return self.page.get_by_role("heading", name=text, exact=True)


@asynccontextmanager
async def console(home: Path) -> AsyncIterator[Console]:
    async with place(home) as here, browser_page() as page:
        yield Console(here, page)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path) as one:
        yield one


async def deployed(here: Place, name: str, **more: str) -> str:
    asked = {"zoneid": str(ZONE), "templateid": TEMPLATE, "serviceofferingid": SMALL} | more
    made = await here.admin.job("deployVirtualMachine", name=name, **asked)
    return str(made["virtualmachine"]["id"])


async def choose(form: Locator, label: str, text: str) -> None:
    """By the beginning of what the choice says, once the console has asked what there is."""
    field = form.get_by_label(label)
    option = field.locator("option", has_text=text).first
    await option.wait_for(state="attached")
    await field.select_option(await option.get_attribute("value"))


async def test_only_who_has_the_password_comes_in_and_goes_again(opened: Console) -> None:
    page = opened.page
    await opened.sign_in("admin", "a wrong one")
    await expect(page.get_by_role("alert")).to_contain_text("wrong")
    assert page.url.endswith("/client/"), "who names no page is led to the console"
    await opened.as_admin()
    await page.reload()
    await expect(opened.heading("Overview")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("password")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("password")).to_be_visible()


async def test_a_guest_is_deployed_stopped_and_looked_at_as_it_was(opened: Console) -> None:
    page = opened.page
    await opened.as_admin()
    await opened.go("instances")
    await page.get_by_role("button", name="Deploy virtual machine").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("name", exact=True).fill("web")
    await choose(form, "zoneid", "z1")
    await choose(form, "templateid", "Tiny Linux (Simulator)")
    await choose(form, "serviceofferingid", "Small Instance")
    await form.get_by_role("button", name="Try").click()
    await expect(form.get_by_role("status")).to_contain_text("This would be done")
    assert not (await opened.here.admin("listVirtualMachines")), "to try is to do nothing"
    await form.get_by_role("button", name="Deploy virtual machine").click()
    row = page.get_by_role("row", name="web")
    await expect(row).to_contain_text("Running")
    await expect(page.get_by_text("done")).to_be_visible()

    await row.get_by_role("link", name="web").click()
    await expect(page.get_by_role("button", name="Start", exact=True)).to_have_count(0)
    ran = time.time()
    await asyncio.sleep(1.2)  # The moment that is looked at is a second's.
    await page.get_by_role("button", name="Stop", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Stop virtual machine").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Stopped")
    await page.get_by_role("tab", name="History").click()
    await expect(page.get_by_text("VM.STOP").first).to_be_visible()

    stamp = await page.evaluate(
        "s => new Date(s * 1000 - new Date().getTimezoneOffset() * 60000)"
        ".toISOString().slice(0, 19)",
        ran + 1,
    )
    await page.get_by_label("look at the cloud as it was at").fill(stamp)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Running")
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    await page.get_by_role("button", name="back to now").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Stopped")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Running")


async def test_a_list_changes_as_the_cloud_does(opened: Console) -> None:
    """Also by others, and whatever they call things is text."""
    page, markup = opened.page, "<img src=x onerror=alert(1)>"
    await opened.as_admin()
    await opened.go("instances")
    await expect(page.get_by_text("There is no instance here.")).to_be_visible()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    vm_id = await deployed(opened.here, "other", displayname=markup)
    await expect(page.get_by_role("row", name="other")).to_contain_text("Running")
    await opened.go(f"instances/{vm_id}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(markup)
    await opened.here.admin.job("destroyVirtualMachine", id=vm_id, expunge="true")
    await expect(page.get_by_text("There is no instance with this id")).to_be_visible()


async def test_what_cannot_be_done_is_said_in_the_clouds_words(opened: Console) -> None:
    page = opened.page
    await opened.as_admin()
    await opened.go("zones")
    await page.get_by_role("link", name="z1").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete zone").click()
    await expect(page.locator(".told")).to_contain_text("zone z1 is in use")
    assert (await opened.here.admin("listZones"))["count"] == 1


async def test_what_is_sent_twice_is_done_once(opened: Console) -> None:
    page, volumes = opened.page, opened.here.admin
    await opened.as_admin()
    await opened.go("volumes")
    await page.get_by_role("button", name="Create volume").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("name", exact=True).fill("twice")
    await choose(form, "zoneid", "z1")
    await choose(form, "diskofferingid", "Small")
    await form.locator("form").evaluate("form => { form.requestSubmit(); form.requestSubmit(); }")
    await expect(page.get_by_role("row", name="twice")).to_have_count(1)
    await expect(page.locator(".toast.busy")).to_have_count(0)
    assert (await volumes("listVolumes", name="twice"))["count"] == 1


async def test_a_key_is_shown_until_it_is_taken(opened: Console) -> None:
    page = opened.page
    await opened.as_admin()
    await opened.go("keypairs")
    await page.get_by_role("button", name="Create SSH key pair").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("name").fill("mine")
    await form.get_by_role("button", name="Create SSH key pair").click()
    await expect(form).to_contain_text("PRIVATE KEY")
    await form.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("row", name="mine")).to_be_visible()


async def test_a_console_opens_in_a_window_of_its_own(opened: Console) -> None:
    page = opened.page
    vm_id = await deployed(opened.here, "talks")
    await opened.as_admin()
    await opened.go(f"instances/{vm_id}")
    await page.get_by_role("button", name="Console").click()
    await expect(page.locator(".toast")).to_have_count(1)


async def test_every_page_opens(opened: Console) -> None:
    """Each list, the page of its first row, and each form: as an operator has them."""
    page = opened.page
    await deployed(opened.here, "first")
    await opened.as_admin()
    for noun in (noun for group in NOUNS for noun in group["nouns"]):
        await opened.go(noun["noun"])
        await expect(page.locator(".pager")).not_to_be_empty()
        await expect(page.locator("main .bad:not(.state)")).to_have_count(0)
        for create in noun["create"]:
            await page.locator("header.page button").nth(noun["create"].index(create)).click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        rows = page.locator("tbody a").first
        if await rows.count():
            await rows.click()
            await expect(page.locator(".facts dd").first).to_be_visible()
    await opened.go("commands/stopVirtualMachine")
    await expect(page.get_by_role("cell", name="forced")).to_be_visible()


async def test_a_tenant_has_what_is_theirs_and_nothing_else(opened: Console) -> None:
    page, here = opened.page, opened.here
    await deployed(here, "of-the-admin")
    ann = await here.admin.one("listAccounts", "account", name="ann", listall="true")
    person = {"username": "ann-too", "firstname": "A", "lastname": "B", "email": "a@example.org"}
    owner = {"account": "ann", "domainid": ann["domainid"]}
    await here.admin("createUser", **person, **owner, password=PASSWORD)
    await opened.sign_in("ann-too", PASSWORD, ann["domainpath"].removeprefix("ROOT"))
    await expect(opened.heading("Overview")).to_be_visible()
    await expect(opened.heading("Limits")).to_be_visible()
    await expect(page.get_by_role("link", name="Hosts")).to_have_count(0)
    await opened.go("instances")
    await expect(page.get_by_text("There is no instance here.")).to_be_visible()
    await here.ann.job(
        "deployVirtualMachine",
        name="anns", zoneid=str(ZONE), templateid=TEMPLATE, serviceofferingid=SMALL,
    )  # fmt: skip
    await expect(page.get_by_role("row", name="anns")).to_contain_text("Running")
    await expect(page.get_by_text("of-the-admin")).to_have_count(0)


async def test_who_may_not_come_in_any_more_is_shown_the_door(opened: Console) -> None:
    page, here = opened.page, opened.here
    ann = await here.admin.one("listAccounts", "account", name="ann", listall="true")
    person = {"username": "late", "firstname": "A", "lastname": "B", "email": "a@example.org"}
    owner = {"account": "ann", "domainid": ann["domainid"]}
    made = await here.admin("createUser", **person, **owner, password=PASSWORD)
    await opened.sign_in("late", PASSWORD, ann["domainpath"].removeprefix("ROOT"))
    await expect(opened.heading("Overview")).to_be_visible()
    await here.admin.job("disableUser", id=made["user"]["id"])
    await opened.go("volumes")
    await expect(page.get_by_label("password")).to_be_visible()
