"""How Proxmox VE says no: a status line whose reason is the message, and `errors` by parameter."""

from __future__ import annotations


class No(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.errors = status, reason, errors or {}


def die(text: str) -> No:
    """What a `die` in a handler becomes."""
    return No(500, text)


def bad(**errors: str) -> No:
    return No(400, "Parameter verification failed.", errors)
