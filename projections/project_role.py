"""Project roles as they are read."""

from aggregates.project_role import ProjectRole
from projections.table import table

project_roles = table(ProjectRole, indexed=("project_id",))

__all__ = ["ProjectRole", "project_roles"]
