"""One table: what a vCenter says, and which of the contract's three errors that is.

A fault is the vCenter's definite answer that it did not do it, so `Refused` is the default; what
passes by itself is `Unavailable`. A lost line is different: a question can be asked again
(`Unavailable`), a change may have happened (`Unknown`).
"""

from __future__ import annotations

import http.client
import ssl
from typing import Any
from xml.parsers.expat import ExpatError

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.vsphere.sdk import vim, vmodl

BY_FAULT: tuple[tuple[Any, type[DriverError]], ...] = (
    (vim.fault.InvalidLogin, Refused),
    (vim.fault.NotAuthenticated, Unavailable),
    (vim.fault.NoPermission, Refused),
    (vmodl.fault.ManagedObjectNotFound, Unavailable),
    (vmodl.fault.RequestCanceled, Unavailable),
    (vmodl.fault.HostCommunication, Unavailable),
    (vmodl.fault.SystemError, Unknown),
    (vim.fault.InsufficientResourcesFault, Unavailable),
    (vim.fault.TaskInProgress, Unavailable),
    (vim.fault.ConcurrentAccess, Unavailable),
    (vim.fault.ResourceInUse, Unavailable),
    (vim.fault.FileLocked, Unavailable),
    (vim.fault.NoDiskSpace, Unavailable),
    (vim.fault.Timedout, Unavailable),
    (vim.fault.HostConnectFault, Unavailable),
)
LOST = (OSError, http.client.HTTPException, ExpatError, EOFError)


def is_lost(error: BaseException) -> bool:
    """The line went down under a call, so nobody knows whether the call was heard."""
    return isinstance(error, LOST)


def is_untrusted(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError)


def words(fault: Any) -> str:
    """What a fault says for people, with its class, which documentation is found by."""
    name = type(fault).__name__.removeprefix("vim.fault.").removeprefix("vmodl.fault.")
    said = [str(getattr(fault, "msg", "") or "")]
    said += [str(one.message) for one in getattr(fault, "faultMessage", None) or () if one.message]
    for extra in ("reason", "file", "name", "property", "invalidProperty", "privilegeId"):
        if isinstance(value := getattr(fault, extra, None), str) and value:
            said.append(f"{extra} {value}")
    return f"{'; '.join(one for one in said if one) or 'no words'} ({name})"


def of_fault(fault: Any, *, doing: str, changing: bool) -> DriverError:
    """The contract's error for what a vCenter answered."""
    text = f"{doing}: {words(fault)}"
    for kind, ours in BY_FAULT:
        if isinstance(fault, kind):
            return Unavailable(text) if ours is Unknown and not changing else ours(text)
    return Refused(text)


def of_line(error: BaseException, *, doing: str, changing: bool) -> DriverError:
    """The contract's error for a line that broke under a call."""
    text = f"{doing}: {error or type(error).__name__}"
    return (
        Unknown(text)
        if changing and not isinstance(error, ConnectionRefusedError)
        else (Unavailable(text))
    )
