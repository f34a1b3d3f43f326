"""Webhooks: make, list, change and delete what tells an account of events."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from api.caller import Caller
from api.declare import Length, Names, OneOf, Roles, Success, command
from api.lists import list_command
from api.records import given
from api.scope import owner_for
from api.views.webhook import WebhookView
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.webhook import DeleteWebhook
from engine.webhooks.post import check_url, reach_of
from projections.webhook import LOCAL, SCOPES, STATES, Webhook, webhooks

KIND = webhooks.kind
URL = Length(1024)
Scope = Annotated[
    str | None,
    "whose events it is told of: Local (the account's), Domain, or Global",
    OneOf(*SCOPES),
    Roles("Admin", "DomainAdmin"),
]
State = Annotated[str | None, "Enabled or Disabled", OneOf(*STATES)]
Secret = Annotated[str | None, "what each delivery is signed with; empty for nothing"]
Verified = Annotated[bool | None, "false: take any certificate from the endpoint"]


@command(
    "createWebhook",
    returns=WebhookView,
    key="webhook",
    allow="ARDU",
    since="4.20.0",
    action="WEBHOOK.CREATE",
)
class CreateWebhook:
    """Let an endpoint be told of events from now on."""

    name: Annotated[str, "its name"]
    payload_url: Annotated[str, "where events are posted to: http or https", URL]
    description: Annotated[str | None, "what it is for"] = None
    state: State = None
    scope: Scope = None
    secret_key: Secret = None
    ssl_verification: Verified = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> Webhook:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        check_url(self.payload_url, reach_of(caller.cloud))
        fields: dict[str, Any] = {
            "name": self.name,
            "account_id": account_id,
            "domain_id": domain_id,
            "payload_url": self.payload_url,
            "description": self.description or "",
            "state": self.state or STATES[0],
            "scope": self.scope or LOCAL,
            "secret_ref": await caller.seal(self.secret_key) if self.secret_key else "",
            "ssl_verification": self.ssl_verification is not False,
            "position": caller.cloud.position,
        }
        row_id = caller.new_id()
        await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
        return caller.cloud[webhooks][row_id]


@list_command("listWebhooks", view=WebhookView, table=webhooks, key="webhook", since="4.20.0")
class ListWebhooks:
    """List webhooks."""

    state: State = None
    scope: Scope = None


@command(
    "updateWebhook",
    returns=WebhookView,
    key="webhook",
    allow="ARDU",
    since="4.20.0",
    action="WEBHOOK.UPDATE",
)
class UpdateWebhook:
    """Change a webhook. One that is enabled again is told of what happens from then on."""

    PLAIN: ClassVar = ("name", "payload_url", "description", "state", "scope", "ssl_verification")

    id: Annotated[UUID, "the webhook", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None
    payload_url: Annotated[str | None, "where events are posted to: http or https", URL] = None
    description: Annotated[str | None, "what it is for"] = None
    state: State = None
    scope: Scope = None
    secret_key: Secret = None
    ssl_verification: Verified = None

    async def run(self, caller: Caller) -> Webhook:
        row = caller.cloud[webhooks][self.id]
        old_ref = row.secret_ref
        fields = given(self, *self.PLAIN)
        if self.payload_url is not None:
            check_url(self.payload_url, reach_of(caller.cloud))
        if self.state == STATES[0] != row.state:
            fields["position"] = caller.cloud.position
        if self.secret_key is not None:
            fields["secret_ref"] = await caller.seal(self.secret_key) if self.secret_key else ""
        await caller.decide(UpdateRecord(kind=KIND, id=self.id, fields=fields))
        if self.secret_key is not None and old_ref:
            await caller.shred(old_ref)
        return caller.cloud[webhooks][self.id]


@command("deleteWebhook", returns=Success, allow="ARDU", since="4.20.0", action="WEBHOOK.DELETE")
class DeleteWebhookCommand:
    """Delete a webhook with its deliveries; its secret is shredded."""

    id: Annotated[UUID, "the webhook", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.perform(DeleteWebhook(id=self.id))
