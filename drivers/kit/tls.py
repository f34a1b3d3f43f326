"""Certificates of hosts: verified by default, or exactly the one that a person has said yes to.

A host's URL may end in `?pin=sha256:<hex>`: the SHA-256 of the certificate that the host shows, in
DER. Then that certificate is trusted, whoever signed it and whatever name it bears, and no other
is. Without a pin it must be valid for the host's name by an authority that this machine knows.
An untrusted certificate is `Refused` with its fingerprint and what to do.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from drivers.contract.errors import Refused, Unavailable

PIN = re.compile(r"sha256:[0-9a-f]{64}")
LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class Trust:
    """How a host's certificate is looked at; `pin` is empty or `sha256:<hex>`."""

    pin: str = ""

    def context(self) -> ssl.SSLContext:
        """For a client. With a pin it verifies nothing by itself: `check` what was shown."""
        context = ssl.create_default_context()
        if self.pin:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check(self, shown: bytes | None, host: str) -> None:
        """Refused unless the certificate that was shown, in DER, is the pinned one."""
        if not self.pin:
            return
        seen = fingerprint(shown or b"")
        if seen != self.pin:
            raise Refused(
                f"{host} shows another certificate than the one that is pinned ({seen}): if it was "
                f"renewed, update the host's URL with pin={seen}; if not, somebody is in between"
            )

    @property
    def digest(self) -> bytes | None:
        """The pinned SHA-256, as `aiohttp.Fingerprint` takes it."""
        return bytes.fromhex(self.pin.removeprefix("sha256:")) if self.pin else None


def split_pin(url: str) -> tuple[str, Trust]:
    """A URL without its pin, and how its host's certificate is looked at."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    pins = [value.lower().replace("%3a", ":") for name, value in query if name == "pin"]
    rest = [(name, value) for name, value in query if name != "pin"]
    if len(pins) > 1 or any(PIN.fullmatch(pin) is None for pin in pins):
        raise Refused("a pin in a URL is pin=sha256: and 64 hexadecimal digits, once")
    plain = urlunsplit(parts._replace(query=urlencode(rest)))
    return plain, Trust(pins[0] if pins else "")


def with_pin(url: str, trust: Trust) -> str:
    """The URL with the same pin: for hosts that were found behind an address."""
    if not trust.pin:
        return url
    return f"{url}{'&' if '?' in url else '?'}pin={trust.pin}"


def fingerprint(der: bytes) -> str:
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


async def untrusted(host: str, port: int, why: object) -> Refused:
    """What to say of a certificate that was not accepted: it is looked at once more for that."""
    try:
        seen = await shown_by(host, port)
    except Unavailable:
        return Refused(f"the certificate of {host}:{port} is not trusted: {why}")
    return Refused(
        f"the certificate of {host}:{port} is not trusted ({why}). Compare its fingerprint {seen} "
        f"with what the host itself says; if they agree, repeat with ?pin={seen} at the end of "
        "the URL, or let this machine trust its authority"
    )


async def shown_by(host: str, port: int) -> str:
    """The fingerprint of the certificate that a host shows now."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(LOOK_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"{host}:{port} does not answer: {error}") from error
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return fingerprint(tls.getpeercert(binary_form=True) or b"")
    finally:
        writer.close()
