"""The name and the words of a failure, as a run records it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from aggregates.errors import DomainError
from drivers.contract.errors import DriverError, Unavailable
from engine.log import LogUnavailable
from engine.retry import of_this_machine, worth_repeating

CONTRACTS = (DomainError.__module__, DriverError.__module__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step did not happen: the class of the error and what its caller is told."""

    step: str
    error: str
    text: str


def failure_of(error: BaseException) -> tuple[str, str]:
    """Class name and text; anything that no contract allows is a `Bug`.

    Of a class that says more than the contract does, the contract's own name is what is recorded.
    """
    # Words of a foreign system may not be text; the log takes nothing else.
    text = (str(error) or type(error).__name__).encode(errors="replace").decode()
    if isinstance(error, LogUnavailable):
        return Unavailable.__name__, text
    if of_this_machine(error):
        return Unavailable.__name__, f"the controller's machine refused it: {text}"
    if getattr(error, "error", None) and getattr(error, "text", None):
        return str(error.error), text  # type: ignore[attr-defined]
    for cls in type(error).__mro__:
        if cls.__module__ in CONTRACTS:
            return cls.__name__, text
    if isinstance(error, TimeoutError):
        return "Unknown", "no answer within the step's time"
    return "Bug", f"{type(error).__name__}: {text}"


def decisive(error: Exception) -> Exception:
    """Of several that failed side by side, the one that decides: a last word before a pause."""
    while isinstance(error, ExceptionGroup):
        last = (one for one in error.exceptions if not worth_repeating(one))
        error = next(last, error.exceptions[0])
    return error


class Caught:
    """Turns an exception of a step into a value; cancellation and interrupts still pass.

    The only net of its kind: everywhere else, an error nobody expected is allowed to rise.
    """

    error: Exception | None = None

    def __enter__(self) -> Caught:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, Exception):
            self.error = decisive(error)
            return True
        return False
