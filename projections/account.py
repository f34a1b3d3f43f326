"""Accounts as they are read."""

from aggregates.account import Account
from projections.table import table

accounts = table(Account, indexed=("domain_id", "name"))

__all__ = ["Account", "accounts"]
