"""The web console as people have it: signing in, looking, doing, and looking at what was."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from playwright.async_api import Locator, Page, expect

from engine.clock import SystemClock
from sagastack.client import Client
from tests.ui.bench import Here, Visit

pytestmark = pytest.mark.real

PASSWORD = "a password of nobody 1"
CLOCK = SystemClock()
NOUNS = [
    noun
    for group in json.loads((Path(__file__).parents[2] / "ui" / "nouns.json").read_text())
    for noun in group["nouns"]
]


async def sign_in(page: Page, user: str, password: str) -> None:
    await page.goto("/")
    await page.get_by_label("user", exact=True).fill(user)
    await page.get_by_label("password", exact=True).fill(password)
    await page.keyboard.press("Enter")


async def enter(page: Page, user: str, password: str) -> None:
    await sign_in(page, user, password)
    await expect(heading(page, "Overview")).to_be_visible()


async def go(page: Page, where: str) -> None:
    await page.goto(f"/client/#/{where}")


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=text, exact=True)


def title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


async def press(where: Page | Locator, name: str) -> None:
    await where.get_by_role("button", name=name, exact=True).click()


async def choose(form: Locator, label: str, text: str) -> None:
    """By the beginning of what the choice says, once the console has asked what there is."""
    option = form.get_by_label(label).locator("option", has_text=text).first
    await option.wait_for(state="attached")
    await form.get_by_label(label).select_option(await option.get_attribute("value"))


async def guest(here: Here, name: str, *, by: Client | None = None, **more: Any) -> str:
    listed = await here.api.call("listVirtualMachines", id=here.vms["first"])
    first = listed["virtualmachine"][0]
    shape = {one: first[one] for one in ("zoneid", "templateid", "serviceofferingid")}
    made = await (by or here.api).job("deployVirtualMachine", name=name, **shape, **more)
    return str(made["virtualmachine"]["id"])


async def tenant(here: Here) -> tuple[str, str]:
    """An account of its own; its name, which is its user's as well, and that user's id."""
    name = f"tenant-{uuid4().hex[:6]}"
    person = {"firstname": "A", "lastname": "B", "email": "a@example.org"}
    made = await here.api.call(
        "createAccount", username=name, password=PASSWORD, accounttype=0, **person
    )
    return name, made["account"]["user"][0]["id"]


async def test_only_who_has_the_password_comes_in_and_goes_again(visit: Visit, here: Here) -> None:
    page = visit.page
    visit.excuse("status of 531")
    visit.excuse("status of 401")  # What was just being asked when they went.
    await sign_in(page, here.username, "a wrong one")
    await expect(page.get_by_role("alert")).to_contain_text("wrong")
    await enter(page, here.username, here.password)
    await page.reload()
    await expect(heading(page, "Overview")).to_be_visible()
    await press(page, "Sign out")
    await expect(page.get_by_label("password")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("password")).to_be_visible()


async def test_a_guest_is_deployed_stopped_and_looked_at_as_it_was(page: Page, here: Here) -> None:
    await enter(page, here.username, here.password)
    await go(page, "instances")
    await press(page, "Deploy virtual machine")
    form = dialog(page)
    await form.get_by_label("name", exact=True).fill("web")
    await choose(form, "zoneid", "first")
    await choose(form, "templateid", "Tiny Linux (Simulator)")
    await choose(form, "serviceofferingid", "Small Instance")
    await press(form, "Try")
    await expect(form.get_by_role("status")).to_contain_text("This would be done")
    assert not await here.api.call("listVirtualMachines", name="web"), "to try is to do nothing"
    await press(form, "Deploy virtual machine")
    row = page.get_by_role("row", name="web")
    await expect(row).to_contain_text("Running")
    await row.get_by_role("link", name="web").click()
    await expect(page.get_by_role("button", name="Start", exact=True)).to_have_count(0)

    ran_s = time.time() + 1
    await asyncio.sleep(1.2)  # Moments that are asked for are whole seconds.
    await press(page, "Stop")
    await press(dialog(page), "Stop virtual machine")
    await expect(title(page)).to_contain_text("Stopped")
    await page.get_by_role("tab", name="History").click()
    await expect(page.get_by_text("VM.STOP").first).to_be_visible()

    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ran_s))
    await page.get_by_label("look at the cloud as it was at").fill(moment)
    await expect(title(page)).to_contain_text("Running")
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    await press(page, "back to now")
    await expect(title(page)).to_contain_text("Stopped")
    await page.get_by_role("tab", name="History").click()
    created = page.get_by_role("listitem").filter(has_text="VM.CREATE").last
    await press(created, "as it was after")
    await expect(title(page)).to_contain_text("web")
    await expect(page.get_by_role("button", name="Destroy", exact=True)).to_be_disabled()
    await press(page, "back to now")
    await press(page, "Start")
    await expect(title(page)).to_contain_text("Running")


async def test_a_list_changes_as_the_cloud_does(visit: Visit, here: Here) -> None:
    """Also by others, and whatever they call things is text."""
    page, markup = visit.page, "<img src=x onerror=alert(1)>"
    await enter(page, here.username, here.password)
    await go(page, "instances")
    await expect(page.get_by_role("link", name="second")).to_be_visible()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    vm_id = await guest(here, "other", displayname=markup)
    await expect(page.get_by_role("row", name="other")).to_contain_text("Running")
    await go(page, f"instances/{vm_id}")
    await expect(title(page)).to_contain_text(markup)
    visit.excuse("status of 431")
    await here.api.job("destroyVirtualMachine", id=vm_id, expunge=True)
    await expect(page.get_by_text("There is no instance with this id")).to_be_visible()


async def test_what_cannot_be_done_is_said_in_the_clouds_words(visit: Visit, here: Here) -> None:
    page = visit.page
    visit.excuse("status of 536")
    await enter(page, here.username, here.password)
    await go(page, f"zones/{here.zone_id}")
    await press(page, "Delete")
    await press(dialog(page), "Delete zone")
    await expect(page.locator(".told")).to_contain_text("free them first")
    assert (await here.api.call("listZones"))["count"] == 1


async def test_what_is_sent_twice_is_done_once(page: Page, here: Here) -> None:
    await enter(page, here.username, here.password)
    await go(page, "volumes")
    await press(page, "Create volume")
    form = dialog(page)
    await form.get_by_label("name", exact=True).fill("twice")
    await choose(form, "zoneid", "first")
    await choose(form, "diskofferingid", "Small")
    await form.locator("form").evaluate("form => { form.requestSubmit(); form.requestSubmit(); }")
    await expect(page.get_by_role("row", name="twice")).to_have_count(1)
    await expect(page.locator(".toast.busy")).to_have_count(0)
    assert (await here.api.call("listVolumes", name="twice"))["count"] == 1


async def test_a_key_is_shown_until_it_is_taken(page: Page, here: Here) -> None:
    await enter(page, here.username, here.password)
    await go(page, "keypairs")
    await press(page, "Create SSH key pair")
    await dialog(page).get_by_label("name").fill("mine")
    await press(dialog(page), "Create SSH key pair")
    await expect(dialog(page)).to_contain_text("PRIVATE KEY")
    await press(dialog(page), "Close")
    await expect(page.get_by_role("row", name="mine")).to_be_visible()


async def test_a_guest_without_a_screen_says_so(page: Page, here: Here) -> None:
    await enter(page, here.username, here.password)
    await go(page, f"instances/{here.vms['second']}")
    await press(page, "Console")
    await expect(page.locator(".toast")).to_contain_text("its hypervisor gives it no screen")


async def test_what_has_no_page_is_asked_by_its_form(page: Page, here: Here) -> None:
    """Also of the past: to ask is to change nothing."""
    await enter(page, here.username, here.password)
    await page.get_by_label("look at the cloud as it was at").fill("2026-01-01T00:00:00")
    await go(page, "commands/explainPlacement")
    await press(page, "Fill in…")
    await expect(dialog(page).get_by_role("button", name="Try")).to_have_count(0)
    await press(dialog(page), "Cancel")
    await press(page, "back to now")
    await press(page, "Fill in…")
    await choose(dialog(page), "zoneid", "first")
    await choose(dialog(page), "serviceofferingid", "Small Instance")
    await press(dialog(page), "Explain placement")
    await expect(page.locator(".told")).to_contain_text('"suitable"')


async def test_every_page_opens(page: Page, here: Here) -> None:
    """Each list, the page of its first row, and each form: as an operator has them."""
    await enter(page, here.username, here.password)
    for noun in NOUNS:
        await go(page, noun["noun"])
        await expect(page.locator(".pager")).not_to_be_empty()
        await expect(page.locator("main .bad:not(.state)")).to_have_count(0)
        for at, _ in enumerate(noun["create"]):
            await page.locator("header.page button").nth(at).click()
            await expect(dialog(page)).to_be_visible()
            await press(dialog(page), "Cancel")
        first = page.locator("tbody a").first
        if await first.count():
            await first.click()
            await expect(page.locator(".facts dd").first).to_be_visible()
    await go(page, "commands/stopVirtualMachine")
    await expect(page.get_by_role("cell", name="forced")).to_be_visible()


async def test_a_tenant_has_what_is_theirs_and_nothing_else(page: Page, here: Here) -> None:
    name, user_id = await tenant(here)
    await enter(page, name, PASSWORD)
    await expect(heading(page, "Limits")).to_be_visible()
    await expect(page.get_by_role("link", name="Hosts")).to_have_count(0)
    await go(page, "instances")
    await expect(page.get_by_text("There is no instance here.")).to_be_visible()
    keys = (await here.api.call("registerUserKeys", id=user_id))["userkeys"]
    async with aiohttp.ClientSession() as http:
        own = Client(http, here.controller.endpoint, keys["apikey"], keys["secretkey"], CLOCK)
        await guest(here, "theirs", by=own)
    await expect(page.get_by_role("row", name="theirs")).to_contain_text("Running")
    await expect(page.get_by_text("second")).to_have_count(0)


async def test_who_may_not_come_in_any_more_is_shown_the_door(visit: Visit, here: Here) -> None:
    page = visit.page
    visit.excuse("status of 401")
    name, user_id = await tenant(here)
    await enter(page, name, PASSWORD)
    await here.api.job("disableUser", id=user_id)
    await go(page, "volumes")
    await expect(page.get_by_label("password")).to_be_visible()
