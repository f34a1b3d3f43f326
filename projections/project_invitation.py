"""Invitations into projects as they are read."""

from aggregates.project_invitation import ProjectInvitation
from projections.table import table

project_invitations = table(ProjectInvitation, indexed=("project_id", "account_id"))

__all__ = ["ProjectInvitation", "project_invitations"]
