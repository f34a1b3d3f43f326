"""A webhook is told what its owner may see now, and reaches inside only where that was opened."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from engine.clock import SystemClock
from engine.genesis import stable_id
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.webhook import SendWebhook
from engine.outside import Reach
from engine.webhooks import send
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import Client, Place, named
from tests.webhooks.conftest import delivering
from tests.webhooks.endpoint import Endpoint
from tests.webhooks.test_deliver import create, happen, told


async def boss_of(here: Place, name: str) -> Client:
    """The administrator of a tenant's domain."""
    running = here.controller
    owner = {"account_id": named(f"boss {name}"), "domain_id": named(f"domain {name}")}
    account = {"name": "boss", "domain_id": owner["domain_id"], "role_type": "DomainAdmin"}
    account |= {"role_id": stable_id("role", "Domain Admin")}
    user = {"name": "boss", "password_ref": str(named("none")), **owner}
    secret = {"secret_ref": str(await running.vault.put("boss-secret")), "key": f"boss-{name}"}
    for kind, row_id, fields in (
        ("account", owner["account_id"], account),
        ("user", named(f"boss user {name}"), user),
        ("api_key", named(f"boss key {name}"), secret | {"user_id": named(f"boss user {name}")}),
    ):
        await running.engine.decide(CreateRecord(kind=kind, id=row_id, fields=fields), SYSTEM)
    return Client(running.endpoint, f"boss-{name}", "boss-secret")


async def test_each_scope_reaches_as_far_as_its_owner(here: Place, hook: Endpoint) -> None:
    boss = await boss_of(here, "ann")
    urls = {name: hook.url + f"/{name}" for name in ("ann", "boss", "root")}
    await create(here.ann, urls["ann"])
    await create(boss, urls["boss"], scope="Domain")
    await create(here.admin, urls["root"], scope="Global")
    async with delivering(here.controller):
        (anns,) = await happen(here.ann, "ann's")
        (bobs,) = await happen(here.bob, "bob's")
        (mine,) = await happen(here.admin, "root's")
        (boss_,) = await happen(boss, "boss's")
        await hook.until(lambda: told(hook).count(boss_) == 2 and told(hook).count(anns) == 3)
    assert [told(hook).count(one) for one in (anns, bobs, mine, boss_)] == [3, 1, 1, 2]


async def test_who_may_ask_for_more(here: Place, hook: Endpoint) -> None:
    boss = await boss_of(here, "ann")
    error = await refusal(boss, "createWebhook", name="x", payloadurl=hook.url, scope="Global")
    assert "may not have scope Global" in error["errortext"]
    # For users the parameter is not there, and so it does nothing.
    assert (await create(here.ann, hook.url, scope="Global"))["scope"] == "Local"
    asked = {"account": "ann", "domainid": str(named("domain ann")), "scope": "Domain"}
    error = await refusal(here.admin, "createWebhook", name="x", payloadurl=hook.url, **asked)
    assert "may not have scope Domain" in error["errortext"]


async def test_rights_that_are_taken_away_end_what_is_told(here: Place, hook: Endpoint) -> None:
    boss = await boss_of(here, "ann")
    await create(boss, hook.url, scope="Domain")
    decide = here.controller.engine.decide
    async with delivering(here.controller):
        (first,) = await happen(here.ann, "first")
        await hook.until(lambda: first in told(hook))
        fields = {"role_type": "User", "role_id": stable_id("role", "User")}
        await decide(UpdateRecord(kind="account", id=named("boss ann"), fields=fields), SYSTEM)
        await happen(here.ann, "second")
        fields = {"role_type": "DomainAdmin", "role_id": stable_id("role", "Domain Admin")}
        await decide(UpdateRecord(kind="account", id=named("boss ann"), fields=fields), SYSTEM)
        (third,) = await happen(here.ann, "third")
        await hook.until(lambda: third in told(hook))
    assert told(hook) == [first, third]


async def test_a_strangers_webhook_does_not_exist(here: Place, hook: Endpoint) -> None:
    made = await create(here.ann, hook.url)
    for command in ("updateWebhook", "deleteWebhook"):
        error = await refusal(here.bob, command, id=made["id"])
        assert gone(error, "id", made["id"])
    for command in ("listWebhookDeliveries", "executeWebhookDelivery", "deleteWebhookDelivery"):
        error = await refusal(here.bob, command, webhookid=made["id"])
        assert gone(error, "webhookid", made["id"])
    assert await here.bob("listWebhooks") == {}


@pytest.fixture
async def closed(here: Place) -> AsyncIterator[Place]:
    """No network inside is open."""
    await here.admin("updateConfiguration", name="webhook.allowed.internal.sites", value="")
    yield here


INSIDE = ("127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "192.168.0.9", "[::ffff:10.0.0.1]")


@pytest.mark.parametrize("host", INSIDE)
async def test_an_address_inside_is_refused_at_once(closed: Place, host: str) -> None:
    url = f"http://{host}:8080/"
    for client in (closed.ann, closed.admin):
        error = await refusal(client, "createWebhook", name="x", payloadurl=url)
        assert "webhook.allowed.internal.sites" in error["errortext"]
        error = await refusal(client, "executeWebhookDelivery", payloadurl=url)
        assert "webhook.allowed.internal.sites" in error["errortext"]


# Ways to write this machine that look like a name to some, and like an address to others.
DISGUISED = (
    "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021", "0",
    "[::ffff:127.0.0.1]",
)  # fmt: skip


@pytest.mark.parametrize("host", DISGUISED)
async def test_nothing_that_leads_inside_reaches_anything(hook: Endpoint, host: str) -> None:
    ask = SendWebhook(
        url=f"http://{host}:{hook.port}/", payload="{}", event_id=uuid4(), event_type="X",
        account_id=UUID(int=1),
    )  # fmt: skip
    sent = await send(ask, Reach("the.setting"), SystemClock(), timeout_s=60)
    assert hook.told == []
    assert sent.success is False
    assert any(one in sent.response for one in ("the.setting opens", "no address", "canonical"))


async def test_a_name_that_leads_inside_is_told_why(closed: Place, hook: Endpoint) -> None:
    made = await create(closed.ann, f"http://localhost:{hook.port}/")
    tested = await closed.ann("executeWebhookDelivery", webhookid=made["id"])
    assert tested["webhookdelivery"]["success"] is False
    assert "an address that only an administrator may name" in tested["webhookdelivery"]["response"]
    assert hook.told == []


async def test_a_test_goes_where_it_is_sent(here: Place, hook: Endpoint) -> None:
    made = await create(here.ann, hook.url, secretkey="s3cret")
    sent = await here.ann("executeWebhookDelivery", webhookid=made["id"], payload="plain words")
    assert sent["webhookdelivery"]["success"] is True
    headers, body = hook.told[-1]
    assert (body, headers["Content-Type"]) == ("plain words", "text/plain")
    assert headers["X-CS-Event"] == "TEST.WEBHOOK"
    assert "X-CS-Signature" in headers
    # A secret proves who speaks to its own endpoint, and is lent to no other.
    await here.ann("executeWebhookDelivery", webhookid=made["id"], payloadurl=hook.url + "/other")
    assert "X-CS-Signature" not in hook.told[-1][0]
    before = len(hook.told)
    planned = await here.ann("executeWebhookDelivery", webhookid=made["id"], dryrun="true")
    assert hook.url in str(planned)
    assert len(hook.told) == before


async def test_a_secret_is_changed_and_told_to_nobody(here: Place, hook: Endpoint) -> None:
    made = await create(here.ann, hook.url, secretkey="s3cret")
    changed = await here.ann("updateWebhook", id=made["id"], secretkey="other")
    assert "secretkey" not in changed["webhook"]
    await here.ann("executeWebhookDelivery", webhookid=made["id"], payload="{}")

    digest = hmac.new(b"other", b"{}", hashlib.sha256).digest()
    assert hook.told[-1][0]["X-CS-Signature"] == base64.b64encode(digest).decode()


async def test_an_endpoint_that_says_too_much_or_nothing(hook: Endpoint) -> None:
    reach = Reach("x", ("127.0.0.0/8",))
    ask = SendWebhook(
        url=hook.url, payload="{}", event_id=uuid4(), event_type="X", account_id=UUID(int=1)
    )
    hook.gate.clear()
    slow = await send(ask, reach, SystemClock(), timeout_s=0.2)
    assert (slow.success, slow.response) == (False, "failed: no answer in 0.2 s")
    nobody = SendWebhook(
        url="http://127.0.0.1:9/", payload="{}", event_id=uuid4(), event_type="X",
        account_id=UUID(int=1),
    )  # fmt: skip
    refused = await send(nobody, reach, SystemClock(), timeout_s=60)
    assert refused.success is False
    assert refused.response.startswith("failed: ")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("64:ff9b::a00:1", False), ("64:ff9b::5db8:d822", True), ("::ffff:127.0.0.1", False)],
)
def test_an_address_within_an_address_is_seen(address: str, allowed: bool) -> None:
    assert Reach("x").allows(ipaddress.ip_address(address)) is allowed
