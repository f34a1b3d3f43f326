"""Members of projects as they are read."""

from aggregates.project_member import ProjectMember
from projections.table import table

project_members = table(ProjectMember, indexed=("project_id", "account_id", "user_id"))

__all__ = ["ProjectMember", "project_members"]
