"""One table: what XAPI says, and which of the contract's three errors that is.

Its codes are those of the reference's "Error handling". A code is XAPI's definite answer that it
did not do what was asked, so `Refused` is the default; what may be otherwise in a while is
`Unavailable`. A line that is lost under a call is told by `client.py`: nobody knows then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown

BY_CODE: dict[str, type[DriverError]] = {
    "CANNOT_CONTACT_HOST": Unavailable,
    "DEVICE_DETACH_REJECTED": Unavailable,
    "DEVICE_DETACH_TIMEOUT": Unavailable,
    "HANDLE_INVALID": Unavailable,
    "HOST_DISABLED": Unavailable,
    "HOST_HAS_NO_MANAGEMENT_IP": Unavailable,
    "HOST_IN_EMERGENCY_MODE": Unavailable,
    "HOST_IS_SLAVE": Unavailable,
    "HOST_NOT_ENOUGH_FREE_MEMORY": Unavailable,
    "HOST_NOT_LIVE": Unavailable,
    "HOST_OFFLINE": Unavailable,
    "HOST_STILL_BOOTING": Unavailable,
    "NO_HOSTS_AVAILABLE": Unavailable,
    "OTHER_OPERATION_IN_PROGRESS": Unavailable,
    "OUT_OF_SPACE": Unavailable,
    "SESSION_INVALID": Unavailable,
    "SR_BACKEND_FAILURE_40": Unavailable,
    "SR_BACKEND_FAILURE_44": Unavailable,
    "SR_BACKEND_FAILURE_46": Unavailable,
    "SR_FULL": Unavailable,
    "SR_NO_PBDS": Unavailable,
    "STILL_BOOTING": Unavailable,
    "TASK_CANCELLED": Unavailable,
    "TOO_BUSY": Unavailable,
    "TOO_MANY_PENDING_TASKS": Unavailable,
    "VDI_NOT_AVAILABLE": Unavailable,
    "VM_REQUIRES_SR": Unavailable,
    "VDI_IO_ERROR": Unknown,
    "INTERNAL_ERROR": Unknown,
}
REMEDIES = {
    "SESSION_AUTHENTICATION_FAILED": "check the user name and the password",
    "VM_MISSING_PV_DRIVERS": "install the guest tools in the guest",
    "VM_LACKS_FEATURE": "install the guest tools in the guest",
    "VDI_IN_USE": "stop the guest that uses the disk first",
    "VDI_IS_NOT_ISO": "a disc must lie in an ISO library",
    "RBAC_PERMISSION_DENIED": "give the user the role pool-operator or pool-admin",
    "HOST_NOT_ENOUGH_FREE_MEMORY": "free memory on the host",
    "SR_FULL": "free space in the repository",
    "SR_BACKEND_FAILURE_44": "free space in the repository",
    "LICENCE_RESTRICTION": "the host's licence does not allow it",
}


class Coded:
    """What XAPI said, beside the words for people."""

    code: str
    params: tuple[str, ...]


class RefusedBy(Refused, Coded):
    """XAPI refused for good."""


class UnavailableBy(Unavailable, Coded):
    """XAPI refused for now."""


class UnknownBy(Unknown, Coded):
    """XAPI failed in the middle of it."""


MADE: dict[type[DriverError], type[RefusedBy] | type[UnavailableBy] | type[UnknownBy]] = {
    Refused: RefusedBy,
    Unavailable: UnavailableBy,
    Unknown: UnknownBy,
}


def of_code(code: str, params: Sequence[object], *, doing: str) -> DriverError:
    """The contract's error for what XAPI said."""
    words = [str(one) for one in params if one not in ("", None)]
    text = f"{doing}: {code}{f' ({chr(44).join(words)})' if words else ''}"
    if code in REMEDIES:
        text += f": {REMEDIES[code]}"
    error = MADE[BY_CODE.get(code, Refused)](text)
    error.code, error.params = code, tuple(str(one) for one in params)
    return error


def code_of(error: BaseException) -> str:
    """XAPI's code behind an error of the contract; empty where there is none."""
    return error.code if isinstance(error, Coded) else ""


@contextmanager
def unless(*codes: str) -> Iterator[None]:
    """Let XAPI answer with one of these codes: that is what was wanted anyway."""
    try:
        yield
    except DriverError as error:
        if code_of(error) not in codes:
            raise
