"""Webhooks as they are read."""

from aggregates.webhook import DOMAIN, GLOBAL, LOCAL, SCOPES, STATES, Webhook
from projections.table import table

webhooks = table(Webhook, indexed=("account_id", "domain_id", "name"))

__all__ = ["DOMAIN", "GLOBAL", "LOCAL", "SCOPES", "STATES", "Webhook", "webhooks"]
