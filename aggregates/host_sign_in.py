"""How a controller signs in on a host: part of the host's life."""

from __future__ import annotations

from aggregates.base import Event, event
from aggregates.host import Host


@event("host.sign_in_changed")
class HostSignInChanged(Event, frozen=True, kw_only=True):
    """`password_ref` points into the sealed store."""

    username: str
    password_ref: str

    def apply(self, row: Host, at_ms: int) -> None:
        row.username, row.password_ref = self.username, self.password_ref
