"""API keys as they are read."""

from uuid import UUID

from aggregates.api_key import ApiKey
from projections.cloud import Cloud
from projections.table import table

api_keys = table(ApiKey, indexed=("key", "user_id"))


def main_key(cloud: Cloud, user_id: UUID) -> ApiKey | None:
    """The key that registerUserKeys made last for a user."""
    return next((key for key in cloud[api_keys].by("user_id", user_id) if key.is_main), None)


__all__ = ["ApiKey", "api_keys", "main_key"]
