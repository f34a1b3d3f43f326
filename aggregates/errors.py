"""How the domain refuses. The class says what the caller can do; the message says why, in full."""

import re
from uuid import UUID


class DomainError(Exception):
    """A rule of the domain said no. Nothing happened."""


class NotAllowed(DomainError):
    """The thing is in a state in which this may not happen."""


class Busy(NotAllowed):
    """A job has the thing to itself; when that job is over it may be tried again."""

    def __init__(self, what: str, doing: str = "busy", job_id: UUID | None = None) -> None:
        super().__init__(f"{what} is {doing} by job {job_id}: wait for the job, or cancel it")
        self.job_id = job_id


class NotFound(DomainError):
    """There is no such thing, or not for this caller."""


class Invalid(DomainError):
    """A value that was given cannot be used; `field` names it, and so does the text."""

    def __init__(self, message: str, *, field: str = "") -> None:
        named = not field or re.search(rf"\b{re.escape(field)}\b", message, re.IGNORECASE)
        super().__init__(message if named else f"{field}: {message}")
        self.field = field


class InUse(DomainError):
    """Something else still needs it."""


class AlreadyExists(DomainError):
    """Another thing holds this name or number."""


class RuleConflict(DomainError):
    """Another rule says something of the same traffic."""


class Exhausted(DomainError):
    """Nothing that fits is free. The message names what was tried and what refused each."""


class LimitReached(DomainError):
    """The account, domain or project may not have more of this."""


class Conflict(DomainError):
    """Somebody else changed it first: read again and decide again."""
