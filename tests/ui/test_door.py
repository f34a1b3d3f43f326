"""A browser finds the console, people are told where it is, and what goes wrong in it is seen."""

from __future__ import annotations

from contextlib import suppress

import pytest
from playwright.async_api import Error, Page, expect

from sagastack.quickstart import _welcome
from tests.ui.bench import GUESTS, Here, Visit

pytestmark = pytest.mark.real


async def test_the_address_alone_leads_to_the_console(here: Here, page: Page) -> None:
    await page.goto("/")
    assert page.url.partition("#")[0] == f"{here.url}/client/"
    await expect(page).to_have_title("Sagastack")


async def test_people_are_told_of_the_console_first(here: Here) -> None:
    told: list[str] = []
    await _welcome(here.controller, told.append)
    words = [line.split() for line in told if line]
    assert words[0] == ["console", f"{here.url}/client/"]
    assert words[1] == ["endpoint", f"{here.url}/client/api"]


async def test_there_is_something_to_look_at(here: Here) -> None:
    for noun, count in (("Zone", 1), ("Pod", 1), ("Cluster", 1), ("StoragePool", 1)):
        assert (await here.api.call(f"list{noun}s"))["count"] == count, noun
    assert (await here.api.call("listNetworks", listall=True))["count"] == 1
    vms = (await here.api.call("listVirtualMachines"))["virtualmachine"]
    assert {vm["name"]: vm["id"] for vm in vms} == here.vms
    assert {vm["state"] for vm in vms} == {"Running"} and set(here.vms) == set(GUESTS)


async def test_what_goes_wrong_in_a_page_is_seen(visit: Visit) -> None:
    for script, words in (
        ("setTimeout(() => { throw new Error('thrown') })", "uncaught: Error: thrown"),
        ("void Promise.reject(new Error('not caught'))", "uncaught: Error: not caught"),
        ("console.error('said')", "console: said"),
        ("void fetch('/client/nothing.js')", "console: Failed to load resource"),
        ("void document.body.setAttribute('style', 'color: red')", "Content Security Policy"),
        ("void window.open('http://elsewhere.example/a')", "asked elsewhere: http://elsewhere."),
        ("location = 'http://elsewhere.example/b'", "asked elsewhere: http://elsewhere."),
    ):
        await visit.page.goto("/client/")
        visit.wrongs.clear()
        with suppress(Error):  # What goes elsewhere takes the script's own page away.
            await visit.page.evaluate(script)
        while not any(words in one for one in visit.wrongs):
            await visit.settle()
        with pytest.raises(AssertionError, match="went wrong in the browser"):
            visit.judge()
        visit.wrongs.clear()


async def test_what_is_meant_to_go_wrong_is_excused_by_its_words(visit: Visit) -> None:
    await visit.page.goto("/client/")
    visit.excuse("/client/nothing.js")
    await visit.page.evaluate("fetch('/client/nothing.js')")
    while not visit.wrongs:
        await visit.settle()
    visit.judge()
