"""Backups: taken beside a running controller, checked whole, restored to any moment."""
