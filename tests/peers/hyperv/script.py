"""The little of PowerShell's language that programs use to read and write files through .NET.

Known: `param (...)` with types, assignment, `try {} finally {}`, literals, variables, no operators.
Calls: static methods of System.IO.File and System.Convert, methods of the stream that `Open` gives,
`New-Object byte[] n`, and the size of a drive by COM's Scripting.FileSystemObject. Anything else is
a parse error, as it should be.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from typing import Any

from tests.peers.hyperv.values import Failure, in_use

TOKEN = re.compile(
    r"\s+|(?P<word>New-Object|param|try|finally)\b|(?P<com>-ComObject\s+[\w.]+)|\$(?P<name>\w+)"
    r"|\[(?P<type>[\w.]+(?:\[\])?)\]|'(?P<text>[^']*)'|(?P<number>\d+)|::(?P<static>\w+)"
    r"|\.(?P<member>\w+)|(?P<bytes>byte\[\])|(?P<sign>[(){},;=])",
    re.IGNORECASE,
)


@dataclass
class Stream:
    """A FileStream on a file of the host."""

    file: Any

    def seek(self, offset: int, origin: str) -> int:
        assert origin == "Begin"
        return int(self.file.seek(offset))

    def read(self, buffer: bytearray, at: int, count: int) -> int:
        got = self.file.read(count)
        buffer[at : at + len(got)] = got
        return len(got)

    def write(self, data: bytes, at: int, count: int) -> None:
        self.file.write(data[at : at + count])

    def setlength(self, size: int) -> None:
        self.file.truncate(size)

    def dispose(self) -> None:
        self.file.close()


@dataclass(frozen=True)
class Space:
    """A drive as COM's file system object knows it."""

    totalsize: int
    freespace: int


@dataclass(frozen=True)
class FileSystem:
    host: Any

    def getdrive(self, path: str) -> Space:
        self.host.local(path.rstrip("\\") + "\\x")
        return Space(*self.host.world.room())


class Script:
    def __init__(self, text: str, host: Any) -> None:
        self._tokens, self._at, self._host = list(_tokens(text)), 0, host
        self.variables: dict[str, Any] = {"null": None, "true": True, "false": False}
        self.parameters: list[str] = []
        self.output: list[Any] = []

    def run(self, arguments: list[tuple[str, Any]]) -> list[Any]:
        if self._takes("word", "param"):
            self._parameters()
        for name, value in arguments:
            if name.lower() not in self.parameters:
                raise _wrong(f"A parameter cannot be found that matches '{name}'.")
            self.variables[name.lower()] = value
        self._block(until=None)
        return self.output

    def _parameters(self) -> None:
        self._need("sign", "(")
        while not self._takes("sign", ")"):
            kind, text = self._next()
            if kind == "name":
                self.parameters.append(text.lower())
            elif kind != "type" and text != ",":
                raise _wrong(f"Unexpected token '{text}' in param.")

    def _block(self, until: str | None) -> None:
        while self._at < len(self._tokens):
            if self._takes("sign", ";"):
                continue
            if until is not None and self._takes("sign", until):
                return
            self._statement()
        if until is not None:
            raise _wrong(f"Missing closing '{until}'.")

    def _statement(self) -> None:
        if self._takes("word", "try"):
            self._try()
            return
        if self._peek()[0] == "name" and self._peek(1) == ("sign", "="):
            name = self._next()[1].lower()
            self._next()
            value = self._expression()
            if name != "null":
                self.variables[name] = value
            return
        value = self._expression()
        if value is not None:
            self.output.append(value)

    def _try(self) -> None:
        self._need("sign", "{")
        start, failed = self._at, None
        try:
            self._block(until="}")
        except Failure as failure:
            failed = failure
            self._at = self._after(start)
        if not self._takes("word", "finally"):
            raise _wrong("The Try statement is missing its Catch or Finally block.")
        self._need("sign", "{")
        self._block(until="}")
        if failed is not None:
            raise failed

    def _after(self, at: int) -> int:
        depth = 1
        while depth:
            depth += {("sign", "{"): 1, ("sign", "}"): -1}.get(self._tokens[at], 0)
            at += 1
        return at

    def _expression(self) -> Any:
        kind, text = self._next()
        if kind == "name":
            if text.lower() not in self.variables:
                raise _wrong(f"The variable '${text}' cannot be retrieved: it has not been set.")
            value: Any = self.variables[text.lower()]
        elif kind == "text":
            value = text
        elif kind == "number":
            value = int(text)
        elif kind == "word" and text.lower() == "new-object":
            kind, text = self._next()
            if kind == "bytes":
                value = bytearray(self._expression())
            elif text.split()[-1].lower() == "scripting.filesystemobject":
                value = FileSystem(self._host)
            else:
                raise _wrong(f"Cannot find type [{text}].")
        elif kind == "type":
            method = self._next()
            if method[0] != "static":
                raise _wrong(f"Unexpected token '{method[1]}'.")
            value = self._static(text, method[1], self._arguments())
        else:
            raise _wrong(f"Unexpected token '{text}' in expression or statement.")
        while self._peek()[0] == "member":
            name = self._next()[1]
            if self._peek() == ("sign", "("):
                value = self._call(value, name, self._arguments())
            elif isinstance(value, Space) and name.lower() in ("totalsize", "freespace"):
                value = getattr(value, name.lower())
            elif name.lower() == "length" and isinstance(value, bytes | bytearray | str):
                value = len(value)
            else:
                raise _wrong(f"The property '{name}' cannot be found on this object.")
        return value

    def _arguments(self) -> list[Any]:
        self._need("sign", "(")
        found: list[Any] = []
        while not self._takes("sign", ")"):
            found.append(self._expression())
            self._takes("sign", ",")
        return found

    def _static(self, kind: str, method: str, given: list[Any]) -> Any:
        name = f"{kind.removeprefix('System.')}::{method}".lower()
        if name == "io.file::open":
            return self._open(*given)
        if name == "convert::tobase64string":
            data, at, count = given
            return base64.b64encode(bytes(data[at : at + count])).decode()
        if name == "convert::frombase64string":
            return base64.b64decode(given[0])
        raise _wrong(f"Method invocation failed because [{kind}] has no method '{method}'.")

    def _open(self, path: str, mode: str, access: str, share: str) -> Stream:
        local = self._host.local(path)
        if not local.parent.is_dir():
            raise _missing(path)
        if access == "Write" and self._host.world.is_used(local):
            raise in_use(path, "IOException")
        flags = {"Open": 0, "OpenOrCreate": os.O_CREAT, "Create": os.O_CREAT | os.O_TRUNC}[mode]
        flags |= {"Read": os.O_RDONLY, "Write": os.O_WRONLY}[access]
        try:
            handle = os.open(local, flags, 0o644)
        except FileNotFoundError:
            raise _missing(path) from None
        return Stream(os.fdopen(handle, "rb" if access == "Read" else "wb"))

    def _call(self, value: Any, name: str, given: list[Any]) -> Any:
        known = isinstance(value, Stream | FileSystem)
        method = getattr(value, name.lower(), None) if known else None
        if method is None:
            raise _wrong(f"Method invocation failed because the object has no method '{name}'.")
        return method(*given)

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _takes(self, kind: str, text: str) -> bool:
        found = self._peek()
        if found[0] == kind and found[1].lower() == text:
            self._at += 1
            return True
        return False

    def _need(self, kind: str, text: str) -> None:
        if not self._takes(kind, text):
            raise _wrong(f"Expected '{text}' and found '{self._peek()[1]}'.")


def run(text: str, arguments: list[tuple[str, Any]], host: Any) -> list[Any]:
    return Script(text, host).run(arguments)


def _tokens(text: str) -> Any:
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise _wrong(f"Unexpected token '{text[at : at + 12]}'.")
        at = found.end()
        if found.lastgroup is not None:
            yield found.lastgroup, found[found.lastgroup]


def _wrong(message: str) -> Failure:
    return Failure(message, "ParseException", category="ParserError", kind="ParseException")


def _missing(path: str) -> Failure:
    return Failure(
        f"Could not find file or a part of the path '{path}'.",
        "FileNotFoundException",
        category="ObjectNotFound",
        kind="FileNotFoundException",
        hresult=0x80070002,
    )
