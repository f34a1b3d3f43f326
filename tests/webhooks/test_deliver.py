"""Deliveries come in order, again when they fail, once on record, and hold nobody up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any
from uuid import UUID

import pytest

from engine.vault import Vault, VaultUnavailable
from projections.webhook import webhooks
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import Client, Place
from tests.webhooks.conftest import delivering
from tests.webhooks.endpoint import Endpoint, endpoint

REGISTERED = "REGISTER.USER.DATA"


async def happen(client: Client, *names: str) -> list[str]:
    """Something that is over at once; gives the ids of what was made."""
    made = []
    for name in names:
        answer = await client("registerUserData", name=name, userdata="aGVsbG8=")
        made.append(answer["userdata"]["id"])
    return made


async def create(client: Client, url: str, **more: Any) -> dict[str, Any]:
    asked = {"name": "told", "payloadurl": url} | more
    made: dict[str, Any] = (await client("createWebhook", **asked))["webhook"]
    return made


async def deliveries(client: Client, **filters: Any) -> list[dict[str, Any]]:
    answer = await client("listWebhookDeliveries", **filters)
    found: list[dict[str, Any]] = answer.get("webhookdelivery", [])
    return found


def told(hook: Endpoint) -> list[str | None]:
    """The things that were told of, but for the webhook itself."""
    return [one.get("entityuuid") for one in hook.bodies if one["entity"] != "Webhook"]


async def on_record(client: Client, hook: Endpoint) -> list[dict[str, Any]]:
    """The list, once the last that was told is in it."""
    last = hook.told[-1][0]["X-CS-Event-ID"]
    async with asyncio.timeout(120):
        while True:
            found = await deliveries(client)
            if any(one["eventid"] == last for one in found):
                return found
            await asyncio.sleep(0.02)


async def test_events_are_told_in_order_signed_and_on_record(here: Place, hook: Endpoint) -> None:
    await happen(here.ann, "before")
    made = await create(here.ann, hook.url, secretkey="s3cret")
    async with delivering(here.controller):
        ids = await happen(here.ann, *(f"n{n}" for n in range(30)))
        await hook.until(lambda: len(told(hook)) == 30)
        await happen(here.bob, "none of ann's business")
        await on_record(here.ann, hook)
    assert told(hook) == ids
    headers, body = hook.told[-1]
    digest = hmac.new(b"s3cret", body.encode(), hashlib.sha256).digest()
    assert headers["X-CS-Signature"] == base64.b64encode(digest).decode()
    assert (headers["X-CS-Event"], headers["Content-Type"]) == (REGISTERED, "application/json")
    (event,) = (await here.ann("listEvents", id=headers["X-CS-Event-ID"]))["event"]
    last = hook.bodies[-1]
    assert (event["type"], event["description"]) == (last["event"], last["description"])
    assert (last["accountname"], last["account"]) == ("ann", here.account("ann"))
    kept = await deliveries(here.ann, webhookid=made["id"])
    assert len(kept) == 10, "webhook.deliveries.limit"
    assert kept[-1]["payload"] == body
    assert (kept[-1]["success"], kept[-1]["response"]) == (True, "answer 31")
    assert (kept[-1]["eventid"], kept[-1]["eventtype"]) == (event["id"], REGISTERED)
    assert (kept[-1]["webhookid"], kept[-1]["webhookname"]) == (made["id"], "told")
    assert "X-CS-Signature" not in kept[-1]["headers"]
    assert await deliveries(here.bob) == []


async def test_a_job_is_told_of_when_it_begins_and_when_it_is_over(
    here: Place, hook: Endpoint
) -> None:
    await create(here.ann, hook.url)
    async with delivering(here.controller):
        guest = (await deploy(here.ann))["id"]
        await here.ann.job("destroyVirtualMachine", id=guest)
        await hook.until(lambda: "VM.DESTROY" in [one["event"] for one in hook.bodies[-1:]])
        await hook.until(lambda: hook.bodies[-1]["status"] == "Completed")
    told_of = [
        (one["event"], one["status"]) for one in hook.bodies if one.get("entityuuid") == guest
    ]
    assert told_of == [
        ("VM.CREATE", "Started"), ("VM.CREATE", "Completed"),
        ("VM.DESTROY", "Started"), ("VM.DESTROY", "Completed"),
    ]  # fmt: skip
    begun, over = [one for one in hook.bodies if one["event"] == "VM.CREATE"]
    assert over["parentid"] == begun["eventid"]


async def test_what_fails_is_tried_again_before_anything_else(here: Place, hook: Endpoint) -> None:
    made = await create(here.ann, hook.url, state="Disabled")
    await here.ann("updateWebhook", id=made["id"], state="Enabled")
    hook.answer = lambda number: {1: 200, 2: 500, 3: 404}.get(number, 200)
    async with delivering(here.controller):
        first, second = await happen(here.ann, "first", "second")
        await hook.until(lambda: second in told(hook))
    assert told(hook) == [first, first, first, second]
    ids = [headers["X-CS-Event-ID"] for headers, _ in hook.told[1:4]]
    assert len(set(ids)) == 1, "a repetition is known by its event's id"


async def test_a_vault_that_cannot_be_used_now_costs_no_try(
    here: Place, hook: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no reason to give a delivery up, nor to ask for a new secret."""
    made = await create(here.ann, hook.url, secretkey="hush")
    row = here.controller.cloud[webhooks][UUID(made["id"])]
    get, asked = Vault.get, 0

    async def full(vault: Vault, entry: UUID) -> str:
        nonlocal asked
        asked += entry == UUID(row.secret_ref)
        if entry == UUID(row.secret_ref) and asked <= 4:
            raise VaultUnavailable("ask again later: the vault: database or disk is full")
        return await get(vault, entry)

    monkeypatch.setattr(Vault, "get", full)
    async with delivering(here.controller):
        (first,) = await happen(here.ann, "first")
        await hook.until(lambda: first in told(hook))
        found = await on_record(here.ann, hook)
    assert asked > 4
    assert all(one["success"] for one in found), found


async def test_what_nobody_takes_is_given_up_and_the_rest_goes_on(
    here: Place, hook: Endpoint
) -> None:
    made = await create(here.ann, hook.url)
    hook.answer = lambda number: 302 if number in (2, 3, 4) else 200
    async with delivering(here.controller):
        first, second = await happen(here.ann, "first", "second")
        await hook.until(lambda: second in told(hook))
        await happen(here.ann, "third")
        await hook.until(lambda: len(hook.told) == 6)
        found = await on_record(here.ann, hook)
    assert told(hook)[:4] == [first, first, first, second]
    kept = {first in one["payload"]: one for one in found}
    assert kept[True]["success"] is False
    assert "redirects are not followed" in kept[True]["response"]
    again = await here.ann("executeWebhookDelivery", id=kept[True]["id"])
    assert again["webhookdelivery"]["success"] is True
    assert again["webhookdelivery"]["webhookid"] == made["id"]
    assert told(hook)[-1] == first
    assert hook.told[-1][0]["X-CS-Event-ID"] == kept[True]["eventid"]


async def test_the_next_one_goes_on_behind_the_last_delivery(here: Place, hook: Endpoint) -> None:
    """As when a controller dies, and another takes the lease."""
    await create(here.ann, hook.url)
    async with delivering(here.controller):
        ids = await happen(here.ann, "a", "b")
        await hook.until(lambda: len(told(hook)) == 2)
        await on_record(here.ann, hook)
    ids += await happen(here.ann, "while nobody delivers", "c")
    assert told(hook) == ids[:2]
    async with delivering(here.controller), delivering(here.controller):
        ids += await happen(here.ann, "d")
        await hook.until(lambda: ids[-1] in told(hook))
        kept = await on_record(here.ann, hook)
    # Two at a time may say things twice; what is on record is there once, and neither goes back.
    assert list(dict.fromkeys(told(hook))) == ids
    assert told(hook)[:2] == ids[:2]
    assert ids[0] not in told(hook)[2:]
    assert len({one["eventid"] for one in kept}) == len(kept) == 6


async def test_a_dead_endpoint_holds_up_nobody(here: Place, hook: Endpoint) -> None:
    hook.gate.clear()
    async with endpoint() as other:
        await create(here.ann, hook.url, name="dead")
        await create(here.ann, other.url, name="alive")
        async with delivering(here.controller):
            ids = await happen(here.ann, *(f"n{n}" for n in range(10)))
            await other.until(lambda: len(told(other)) == 10)
            assert told(other) == ids
            assert len(hook.told) <= 1


async def test_who_is_disabled_hears_nothing_of_the_meantime(here: Place, hook: Endpoint) -> None:
    made = await create(here.ann, hook.url)
    async with delivering(here.controller):
        (before,) = await happen(here.ann, "before")
        await hook.until(lambda: before in told(hook))
        await here.ann("updateWebhook", id=made["id"], state="disabled")
        await happen(here.ann, "meanwhile")
        await here.ann("updateWebhook", id=made["id"], state="enabled")
        (behind,) = await happen(here.ann, "behind")
        await hook.until(lambda: behind in told(hook))
    assert told(hook) == [before, behind]


async def test_a_webhook_that_is_deleted_is_told_nothing_more(here: Place, hook: Endpoint) -> None:
    made = await create(here.ann, hook.url, secretkey="s3cret")
    (row,) = here.controller.cloud[webhooks]
    async with delivering(here.controller):
        await happen(here.ann, "told")
        await hook.until(lambda: bool(told(hook)))
        assert await here.ann("deleteWebhook", id=made["id"]) == {"success": True}
        await happen(here.ann, "not told")
    assert len(told(hook)) == 1
    assert await deliveries(here.ann) == []
    with pytest.raises(KeyError):
        await here.controller.vault.get(UUID(row.secret_ref))


async def test_deliveries_are_taken_out_of_the_list(here: Place, hook: Endpoint) -> None:
    made = await create(here.ann, hook.url)
    async with delivering(here.controller):
        await happen(here.ann, "a", "b", "c")
        await hook.until(lambda: len(told(hook)) == 3)
        kept = await on_record(here.ann, hook)
    await here.ann("deleteWebhookDelivery", id=kept[0]["id"])
    assert [one["id"] for one in await deliveries(here.ann)] == [one["id"] for one in kept[1:]]
    await here.ann("deleteWebhookDelivery", webhookid=made["id"], enddate="2020-01-01")
    assert len(await deliveries(here.ann)) == 3
    await here.ann("deleteWebhookDelivery", webhookid=made["id"])
    assert await deliveries(here.ann) == []
