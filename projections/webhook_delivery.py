"""Deliveries of webhooks as they are read."""

from aggregates.webhook_delivery import WebhookDelivery
from projections.table import table

webhook_deliveries = table(WebhookDelivery, indexed=("account_id", "domain_id", "webhook_id"))

__all__ = ["WebhookDelivery", "webhook_deliveries"]
