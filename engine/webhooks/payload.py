"""What a webhook is told of an event, and which events it is told of."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from engine.decisions.webhook import WIDER
from projections.account import Account, accounts
from projections.cloud import Cloud
from projections.domain import domains
from projections.event_list import Entry
from projections.user import users
from projections.webhook import DOMAIN, LOCAL, Webhook


def wants(cloud: Cloud, hook: Webhook, entry: Entry) -> bool:
    """May this webhook be told of that event? Its owner's rights of now decide, not of then.

    An event is its account's, as in `listEvents`: what somebody else does is seen by those who
    administer that account's domain, and by root administrators.
    """
    owner = cloud[accounts].get(hook.account_id)
    if owner is None or owner.state != "enabled" or hook.state != "Enabled":
        return False
    if hook.scope == LOCAL:
        return entry.account_id == owner.id
    if owner.role_type not in WIDER[hook.scope]:
        return False
    return hook.scope != DOMAIN or _is_below(cloud, entry, owner)


def _is_below(cloud: Cloud, entry: Entry, owner: Account) -> bool:
    account, top = cloud[accounts].get(entry.account_id), cloud[domains].get(owner.domain_id)
    domain = cloud[domains].get(account.domain_id) if account else None
    if domain is None or top is None:
        return False
    return domain.path == top.path or domain.path.startswith(top.path.rstrip("/") + "/")


def payload(cloud: Cloud, entry: Entry) -> str:
    """The body, as JSON. Names are those of the moment; ids never change."""
    account, user = cloud[accounts].get(entry.account_id), cloud[users].get(entry.user_id)
    told = {
        "event": entry.action,
        "eventid": str(entry.id),
        "eventDateTime": datetime.fromtimestamp(entry.at_ms / 1000, UTC).isoformat(),
        "position": entry.position,
        "status": entry.state,
        "level": entry.level,
        "description": entry.description,
        "entity": entry.resource_type,
        "entityuuid": entry.subject_id and str(entry.subject_id),
        "account": entry.account_id and str(entry.account_id),
        "accountname": account and account.name,
        "user": entry.user_id and str(entry.user_id),
        "username": user and user.name,
        "parentid": str(Entry.id_at(entry.parent)) if entry.parent else None,
    }
    return json.dumps({name: value for name, value in told.items() if value is not None})
