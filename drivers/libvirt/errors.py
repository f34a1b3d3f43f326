"""One table: what libvirt says, and which of the contract's three errors that is.

Most codes are libvirt's definite answer that it did not do it, so `Refused` is the default. A
lost line is different: a question can be asked again (`Unavailable`), a change may have happened
(`Unknown`).
"""

from __future__ import annotations

import errno

import libvirt

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown

LOST_CODES = frozenset({libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_GNUTLS_ERROR})
# What libvirt's client of its own protocol (VIR_FROM_RPC) says of the line under it, in words that
# depend on the moment: "received error event on socket", "closed due to keepalive timeout", ...
LOST_IN_RPC = frozenset({libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR})
# The same from beyond: a daemon that lost its own line to another daemon or host.
LOST_WORDS = ("client socket is closed", "End of file while reading data", "Cannot recv data")
UNREACHED_ERRNOS = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOENT, errno.ETIMEDOUT}
)

BY_CODE: dict[int, type[DriverError]] = {
    libvirt.VIR_ERR_NO_CONNECT: Unavailable,
    libvirt.VIR_ERR_NO_MEMORY: Unavailable,
    libvirt.VIR_ERR_OPERATION_TIMEOUT: Unavailable,
    libvirt.VIR_ERR_RESOURCE_BUSY: Unavailable,
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE: Unavailable,
    libvirt.VIR_ERR_OPERATION_ABORTED: Unavailable,
    libvirt.VIR_ERR_NO_SERVER: Unavailable,
    libvirt.VIR_ERR_AUTH_FAILED: Refused,
    libvirt.VIR_ERR_AUTH_CANCELLED: Refused,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: Refused,
}
# libxl's word for a guest that cannot be moved yet: its kernel has not told Xen of its memory.
STILL_BOOTS = "Failed to send migration data to destination host"
# A container's, in the moment between its start and libvirt's hearing of its first process.
NOT_BEGUN = "until init PID is known"
# A guest's whose TPM is not there: swtpm ends if libvirt gives its socket away before it has set
# who may use that. Both are begun anew with the guest.
TPM_ENDED = "-swtpm.sock': Connection refused"
BY_WORDS: tuple[tuple[str, type[DriverError]], ...] = (
    ("Cannot allocate memory", Unavailable),
    ("cannot set up guest memory", Unavailable),
    ("No space left on device", Unavailable),
    ("Too many active clients", Unavailable),
    ("cannot acquire state change lock", Unavailable),
    (STILL_BOOTS, Unavailable),
    (NOT_BEGUN, Unavailable),
    (TPM_ENDED, Unavailable),
)


def is_lost(error: libvirt.libvirtError) -> bool:
    """The line went down under a call, so nobody knows whether the call was heard."""
    code = error.get_error_code()
    if code in LOST_CODES:
        return True
    if error.get_error_domain() == libvirt.VIR_FROM_RPC and code in LOST_IN_RPC:
        return True
    return any(words in str(error) for words in LOST_WORDS)


def is_gone(error: libvirt.libvirtError) -> bool:
    """The domain is not there or not running, which is what whoever removes it wants."""
    return error.get_error_code() in (
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_OPERATION_INVALID,
    )


def of_call(error: libvirt.libvirtError, *, doing: str, changing: bool) -> DriverError:
    """The contract's error for a call that failed on an open connection."""
    text = f"{doing}: {error}"
    if is_lost(error):
        return Unknown(text) if changing else Unavailable(text)
    for words, kind in BY_WORDS:
        if words in str(error):
            return kind(text)
    return BY_CODE.get(error.get_error_code(), Refused)(text)


def of_connect(error: libvirt.libvirtError, *, doing: str) -> DriverError:
    """The contract's error for a connection that did not open: nothing happened in any case."""
    text = f"{doing}: {error}"
    code = error.get_error_code()
    if code == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() in UNREACHED_ERRNOS:
        return Unavailable(text)
    if is_lost(error) or code == libvirt.VIR_ERR_SYSTEM_ERROR:
        return Unavailable(text)
    return BY_CODE.get(code, Refused)(text)
