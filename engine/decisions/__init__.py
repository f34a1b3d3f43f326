"""Decisions: changes of the cloud that need no work in the world."""
