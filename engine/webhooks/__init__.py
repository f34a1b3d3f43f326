"""Tells others of what happens: see `deliver.Webhooks` for what it promises."""

from engine.webhooks.deliver import Webhooks
from engine.webhooks.post import reach_of, send

__all__ = ["Webhooks", "reach_of", "send"]
