"""API keys as they are read."""

from aggregates.api_key import ApiKey
from projections.table import table

api_keys = table(ApiKey, indexed=("key", "user_id"))

__all__ = ["ApiKey", "api_keys"]
