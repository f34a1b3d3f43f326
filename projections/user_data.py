"""Kept user data as it is read."""

from aggregates.user_data import UserData
from projections.table import table

user_datas = table(UserData, indexed=("account_id", "domain_id", "name"))

__all__ = ["UserData", "user_datas"]
