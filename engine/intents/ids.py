"""The ids of what intents make, as those who write intents choose them."""

from aggregates.ids import in_order

__all__ = ["in_order"]
