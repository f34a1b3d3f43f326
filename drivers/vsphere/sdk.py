"""pyVmomi as this driver uses it: its types come out of a table at run time, so mypy knows none."""

from __future__ import annotations

import http.client
import io
import zlib
from typing import Any

import pyVmomi
from pyVmomi import SoapAdapter

_types: Any = pyVmomi
vim: Any = _types.vim
vmodl: Any = _types.vmodl
SoapStub: Any = SoapAdapter.SoapStubAdapter
# vCenter 6.5; a newer one speaks it too.
VERSION = "vim.version.version11"

# A managed object: a reference of the vCenter's, with the stub that calls go through.
Managed = Any

MOST_BYTES = 1 << 28
HEAD_BYTES = 1 << 10
ENVELOPE = b"Envelope"
EITHER = 32 + 15  # zlib's word for gzip or deflate, whichever it is

# What pyVmomi trips over in an answer that is well-formed and says nothing.
UNREADABLE = (TypeError, ValueError, LookupError, AttributeError, zlib.error)


class _Answer(io.BytesIO):
    """An answer that has come whole, as pyVmomi reads it."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        body = answer.read(MOST_BYTES)
        self.status, self.reason, self._headers = answer.status, answer.reason, answer.headers
        if self.getheader("Content-Encoding", "") in ("gzip", "deflate"):
            body = zlib.decompressobj(EITHER).decompress(body, MOST_BYTES)
            del self._headers["Content-Encoding"]
        if len(body) == MOST_BYTES:
            raise http.client.HTTPException(f"an answer has more than {MOST_BYTES} bytes")
        if self.status in (200, 500) and ENVELOPE not in body[:HEAD_BYTES]:
            raise http.client.HTTPException(f"{self.status}, and no SOAP: {body[:80]!r}")
        super().__init__(body)

    def getheader(self, name: str, otherwise: str | None = None) -> str | None:
        return self._headers.get(name, otherwise)


class _Line(http.client.HTTPConnection):
    def getresponse(self) -> Any:
        return _Answer(super().getresponse())


class Stub(SoapStub):  # type: ignore[misc]
    """A stub that takes nothing for an answer but an answer.

    pyVmomi reads a page, which a proxy shows while the vCenter is away, as an empty answer: as if
    there were no machines. Here it is a line that broke.
    """

    def __init__(self, **told: Any) -> None:
        super().__init__(**told)
        kind: Any = self.scheme
        self.scheme: Any = type("Line", (_Line, kind), {})

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:
        try:
            return super().InvokeMethod(mo, info, args, outerStub)
        except OSError:  # A certificate that is not trusted is a ValueError too.
            raise
        except UNREADABLE as error:
            raise http.client.HTTPException(f"an answer cannot be read: {error!r}") from error
