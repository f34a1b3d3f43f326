"""That nothing begins for an account that is closed, event by event, in the order of the log."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Recorded
from engine.owners import ABOUT, COSTLY


class Owners:
    """Knows of each account what the log has said of it so far, and of nothing else."""

    def __init__(self) -> None:
        self._state: dict[UUID, str] = {}
        self._ending: set[UUID] = set()
        self._closed: set[UUID] = set()

    def heard(self, recorded: Recorded) -> None:
        happened, stream = recorded.event, recorded.stream
        if happened.KIND == "account":
            self._learn(recorded)
        elif happened.TOPIC == "domain.updated":
            ends = getattr(happened, "changed", {}).get("state") == "Inactive"
            self._closed |= {stream} if ends else set()
        owner: UUID | None = getattr(happened, "account_id", None)
        if happened.CREATES is None or owner is None or happened.KIND in ABOUT:
            return
        at = f"position {recorded.position}: {happened.TOPIC}"
        assert owner in self._state, f"{at} for account {owner}, which is gone"
        assert owner not in self._ending, f"{at} for account {owner}, which is being deleted"
        is_open = self._state[owner] == "enabled" or happened.KIND not in COSTLY
        assert is_open, f"{at} for account {owner}, which is {self._state[owner]}"

    def _learn(self, recorded: Recorded) -> None:
        happened, stream = recorded.event, recorded.stream
        if happened.CREATES is not None:
            domain_id = getattr(happened, "domain_id", None)
            assert domain_id not in self._closed, f"account {stream} begins in a domain that ends"
            self._state[stream] = getattr(happened, "state", "enabled")
        elif happened.REMOVES:
            self._state.pop(stream)
        else:
            changed = getattr(happened, "changed", {})
            self._state[stream] = changed.get("state", self._state[stream])
            if changed.get("ending") is not None:
                self._ending.add(stream)
