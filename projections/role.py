"""Roles as they are read."""

from aggregates.role import Role
from projections.table import table

roles = table(Role)

__all__ = ["Role", "roles"]
