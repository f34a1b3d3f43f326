"""The line to a Proxmox VE cluster: HTTPS, an API token, and the errors that it answers with.

Proxmox VE says what went wrong in the reason of the status line, and of bad parameters in `errors`
of the body. What a node answers for another one that it cannot reach is 595 and above.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from failures import Failure, Missing, Refused, Taken, Unavailable, Unknown

PORT = 8006
CALL_S, UPLOAD_S = 60.0, 4 * 3600.0
IDLE_S = 2.0  # Proxmox VE closes a line that is silent for a few seconds: one this young is open.
PIN = re.compile(r"sha256:[0-9a-f]{64}")
NO_ROUTE, NO_ANSWER = 595, 596

# What errors mean, by their words: the first that matches counts.
WORDS: tuple[tuple[type[Failure], str], ...] = (
    (Missing, r"does not exist|no such (vm|volume|logical volume|file)|volume .* not found"),
    (Taken, r"already exists|config file already"),
    (
        Unavailable,
        r"can't lock|got timeout|is locked|lock-|no quorum|file changed by other|too many|"
        r"no space|not enough|out of space|cannot allocate memory|is not online|interrupted|"
        r"connection refused|connection timed out|ipcc_send|broken pipe",
    ),
)


def sorted_out(text: str) -> Failure:
    """The failure that a text of Proxmox VE's stands for; what is in none of the lists is final."""
    kind = next((one for one, words in WORDS if re.search(words, text, re.I)), Refused)
    return kind(text)


@dataclass(frozen=True)
class Address:
    """A node, and how it is reached: `https://any-node:8006/its-name?pin=sha256:...`."""

    host: str
    port: int
    node: str
    pin: str
    user: str
    secret: str

    @classmethod
    def read(cls, told: dict[str, Any]) -> Address:
        """Refused: this is no address of Proxmox VE."""
        try:
            parts = urlsplit(told["url"])
            port = parts.port or PORT
        except ValueError as error:
            raise Refused(f"{told['url']} is no URL: {error}") from error
        pin = parse_qs(parts.query).get("pin", [""])[0].lower()
        node = parts.path.strip("/")
        if parts.scheme not in ("https", "external") or not parts.hostname or "/" in node:
            raise Refused(f"{told['url']}: say https://HOST:{PORT}/NODE, or leave out the node")
        if pin and not PIN.fullmatch(pin):
            raise Refused("a pin in a URL is pin=sha256: and 64 hexadecimal digits")
        if "!" not in told["username"] or "@" not in told["username"]:
            raise Refused(
                "the user is an API token, USER@REALM!NAME, and the password its secret: make one "
                "at Datacenter, Permissions, API Tokens"
            )
        return cls(parts.hostname, port, node, pin, told["username"], told["password"])

    def url(self, node: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?pin={self.pin}" if self.pin else ""
        return f"https://{host}:{self.port}/{node}{query}"


class Line:
    """One cluster, for the questions of one address. Safe to use from several threads."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._idle: list[tuple[float, http.client.HTTPSConnection]] = []
        self._context = _blind() if address.pin else ssl.create_default_context()

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, query)

    def post(self, path: str, **form: Any) -> Any:
        return self.call("POST", path, form)

    def put(self, path: str, **form: Any) -> Any:
        return self.call("PUT", path, form)

    def delete(self, path: str, **query: Any) -> Any:
        return self.call("DELETE", path, query)

    def call(self, method: str, path: str, told: dict[str, Any]) -> Any:
        """Ask; the names of parameters may be written with `_` for `-`."""
        words = urlencode({name.replace("_", "-"): _word(value) for name, value in told.items()})
        target, body, headers = f"/api2/json{path}", None, {}
        if method in ("GET", "DELETE"):
            target += f"?{words}" if words else ""
        else:
            body = words.encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        status, reason, answer = self._ask(method, target, body, headers)
        return _data(method, path, status, reason, answer)

    def upload(self, path: str, fields: dict[str, str], name: str, file: Iterable[bytes],
               size_bytes: int) -> Any:  # fmt: skip
        """A form with a file; Proxmox VE wants to know its length beforehand."""
        mark = f"sagastack-{secrets.token_hex(16)}"
        begin = "".join(
            f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        )
        begin += (
            f'--{mark}\r\nContent-Disposition: form-data; name="filename"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        end = f"\r\n--{mark}--\r\n"

        def parts() -> Iterable[bytes]:
            yield begin.encode()
            yield from file
            yield end.encode()

        headers = {
            "Content-Type": f"multipart/form-data; boundary={mark}",
            "Content-Length": str(len(begin) + size_bytes + len(end)),
        }
        target = f"/api2/json{path}"
        status, reason, answer = self._ask("POST", target, parts(), headers, limit_s=UPLOAD_S)
        return _data("POST", path, status, reason, answer)

    def _ask(
        self, method: str, target: str, body: Any, headers: dict[str, str], limit_s: float = CALL_S
    ) -> tuple[int, str, bytes]:
        """Unavailable: it was not asked. Unknown: it was, and may have changed something."""
        address = self.address
        headers["Authorization"] = f"PVEAPIToken={address.user}={address.secret}"
        line = self._take()
        for _ in range(2):
            sent = line is not None
            line = line or self._open()
            if line.sock is not None:
                line.sock.settimeout(limit_s)
            try:
                line.request(method, target, body, headers)
                answer = line.getresponse()
                told = answer.status, answer.reason, answer.read()
            except (OSError, http.client.HTTPException) as error:
                line.close()
                if method == "GET" and sent:  # An old line that had been closed: once more.
                    line = None
                    continue
                kind = Unavailable if method == "GET" else Unknown
                raise kind(f"{address.host}: {method} {target}: {error!r}") from error
            if answer.will_close:
                line.close()
            else:
                self._idle.append((time.monotonic(), line))
            return told
        raise Unavailable(f"{address.host} closes every line")

    def _take(self) -> http.client.HTTPSConnection | None:
        while self._idle:
            try:
                since_s, line = self._idle.pop()
            except IndexError:
                break
            if time.monotonic() - since_s < IDLE_S:
                return line
            line.close()
        return None

    def _open(self) -> http.client.HTTPSConnection:
        """A new line, with nothing said yet: the secret goes only where the certificate fits."""
        address = self.address
        line = http.client.HTTPSConnection(
            address.host, address.port, timeout=CALL_S, context=self._context
        )
        try:
            line.connect()
        except ssl.SSLCertVerificationError as error:
            raise Refused(self._untrusted(error.verify_message)) from error
        except OSError as error:
            raise Unavailable(f"{address.host}:{address.port} does not answer: {error}") from error
        seen = _fingerprint(line.sock)
        if address.pin and seen != address.pin:
            line.close()
            raise Refused(
                f"{address.host} shows another certificate than the one that is pinned ({seen}): "
                f"if it was renewed, update the host's URL with pin={seen}"
            )
        return line

    def _untrusted(self, why: str) -> str:
        place = (self.address.host, self.address.port)
        with socket.create_connection(place, CALL_S) as plain:
            with _blind().wrap_socket(plain) as shown:
                seen = _fingerprint(shown)
        return (
            f"the certificate of {place[0]} is not trusted ({why}). Compare its fingerprint {seen} "
            f"with what the node itself says; if they agree, repeat with ?pin={seen} at the end of "
            "the URL"
        )


def _blind() -> ssl.SSLContext:
    """Takes any certificate: who uses it looks at what was shown before a word is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _fingerprint(shown: Any) -> str:
    return f"sha256:{hashlib.sha256(shown.getpeercert(binary_form=True) or b'').hexdigest()}"


def _word(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def part(name: str) -> str:
    """One part of a path."""
    return quote(name, safe="")


def _data(method: str, path: str, status: int, reason: str, answer: bytes) -> Any:
    """What was answered, or the failure that it stands for."""
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError:
        said = {}
    if status < 300 and (not isinstance(said, dict) or "data" not in said):
        shown = f"{method} {path}: what is answered says nothing: {answer[:80]!r}"
        raise Unavailable(shown) if method == "GET" else Unknown(shown)
    if status < 300:
        return said["data"]
    if not isinstance(said, dict):
        said = {}
    errors = "; ".join(f"{name}: {text.strip()}" for name, text in said.get("errors", {}).items())
    text = f"{method} {path}: {status} {reason}" + (f" ({errors})" if errors else "")
    if status in (400, 401, 403, 501):
        raise Refused(text)
    if status == NO_ROUTE or (status > NO_ROUTE and method == "GET"):
        raise Unavailable(text)
    if status >= NO_ANSWER:
        raise Unknown(text)
    raise sorted_out(text)
