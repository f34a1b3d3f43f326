"""Projects as they are read."""

from aggregates.project import OWNER, REGULAR, Project
from projections.table import table

projects = table(Project, indexed=("account_id", "domain_id", "name"))

__all__ = ["OWNER", "REGULAR", "Project", "projects"]
