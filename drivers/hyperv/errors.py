"""One table: what WinRM, PowerShell and Hyper-V say, and which of the contract's errors that is.

Hyper-V's cmdlets end most messages with the HRESULT behind them; that, not the text, which is in
the host's language, says what happened. What is not in the table did not happen: `Refused`.
Sources: Hyper-V's error constants and the system error codes of Windows, as published.
"""

from __future__ import annotations

import re

from drivers.contract.errors import DriverError, Refused, Unavailable

OPERATION_TIMED_OUT = 2150858793
NO_SUCH_SHELL = 2150858843
QUOTA = "QuotaLimit"

NOT_FOUND = frozenset({0x80070002, 0x80070003, 0x80071395})
NO_SUCH_VM = "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM"
EXISTS = frozenset({0x80070050, 0x800700B7, 0x80071396})
IN_USE = 0x80070020
BUSY = 0x80048008
# What the file commands call any trouble with a file that is there: mostly, that it is open.
HELD = ("RemoveFileSystemItemIOError", "MoveFileInfoItemIOError", "CopyFileInfoItemIOError")
SHUTDOWN_NOT_READY = 0x80070015

BY_HRESULT: dict[int, type[DriverError]] = {
    0x8007000E: Unavailable,  # out of memory now
    0x80070035: Unavailable,  # the network path was not found: a share that is away
    0x80070040: Unavailable,  # the network name is gone
    0x80070070: Unavailable,  # the disk is full
    0x80070079: Unavailable,  # semaphore time-out
    0x800706BA: Unavailable,  # the RPC server is unavailable
    0x800713B0: Unavailable,  # the cluster node is down
    0x80072751: Unavailable,  # the destination host is unreachable
    IN_USE: Unavailable,
    BUSY: Unavailable,
}
BY_ID: tuple[tuple[str, type[DriverError]], ...] = (
    ("OutOfMemory", Unavailable),
    ("ObjectInUse", Unavailable),
    ("ResourceBusy", Unavailable),
    ("OperationTimeout", Unavailable),
)
REMEDIES: tuple[tuple[str, str], ...] = (
    (
        "CommandNotFoundException",
        "the host lacks a role or its PowerShell module: install Hyper-V with its management tools",
    ),
    ("UnauthorizedAccess", "the account must be of Hyper-V Administrators on the host"),
    ("AuthorizationFailed", "the account must be of Hyper-V Administrators on the host"),
)
HRESULT = re.compile(r"\(?0x([0-9A-Fa-f]{8})\)?")


class CommandFailed(Exception):
    """A pipeline that failed, with PowerShell's id of the error and the HRESULT behind it."""

    def __init__(self, message: str, error_id: str, hresult: int) -> None:
        super().__init__(message)
        self.message, self.error_id, self.hresult = message, error_id, hresult


def failed(message: str, error_id: str) -> CommandFailed:
    """Hyper-V writes the code into its message; a file that is open is known by the id alone."""
    found = HRESULT.findall(message)
    if found:
        return CommandFailed(message, error_id, int(found[-1], 16))
    held = any(word in error_id for word in HELD)
    return CommandFailed(message, error_id, IN_USE if held else 0)


def of_command(error: CommandFailed, *, doing: str) -> DriverError:
    """The contract's error, with what was being done and what may help."""
    kind = BY_HRESULT.get(error.hresult)
    if kind is None:
        kind = next((known for word, known in BY_ID if word in error.error_id), Refused)
    help_for = next((text for word, text in REMEDIES if word in error.error_id), "")
    text = f"{doing}: {error.message.strip()}"
    return kind(f"{text} ({help_for})" if help_for else text)


def is_missing(error: CommandFailed) -> bool:
    """What was named is not there."""
    return error.hresult in NOT_FOUND or error.error_id.startswith(
        (
            "PathNotFound",
            "ObjectNotFound",
            NO_SUCH_VM,
        )
    )


def is_unclustered(error: CommandFailed) -> bool:
    """The host is no node of a cluster that runs."""
    return error.hresult == 0x800706D9 or "CommandNotFound" in error.error_id
