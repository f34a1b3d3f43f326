"""Users as they are read."""

from aggregates.user import User
from projections.table import table

users = table(User, indexed=("account_id", "domain_id", "name"))

__all__ = ["User", "users"]
