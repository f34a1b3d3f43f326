"""The URL of a host: `ovm://host[:port]` and `ovm3://host[:port]`, with what may follow a `?`.

`pin=sha256:<hex>` trusts exactly the host's own certificate (those of many hosts fit better into
the settings, as `pins=<address>@sha256:<hex> ...`); `bridge=` is where guests' cards go whose
network names none; `tls=off` speaks plainly, for agents with `ssl=disable`; `alone=1` keeps a
pool's other members out. `vip=` and `pool=` name the server pool that a 3.x host is to be in, by
its virtual address and its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode, urlsplit

from drivers.contract.errors import Refused
from drivers.kit.tls import PIN, Trust, split_pin

PORT = 8899
KNOWN = ("bridge", "tls", "alone", "vip", "pool")


@dataclass(frozen=True, slots=True)
class Place:
    """A host's URL, read."""

    scheme: str
    host: str
    port: int
    trust: Trust
    query: tuple[tuple[str, str], ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)

    def said(self, name: str) -> str:
        return dict(self.query).get(name, "")

    @property
    def plain(self) -> bool:
        return self.said("tls") == "off"

    @property
    def url(self) -> str:
        """Where the agent answers XML-RPC."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'' if self.plain else 's'}://{host}:{self.port}/RPC2"

    def beside(self, host: str) -> Place:
        """Another host of the same pool, with the trust that is said for it."""
        if host == self.host:
            return self
        return replace(self, host=host, trust=Trust(self.pins.get(host, "")))

    def member(self, host: str) -> str:
        """The URL of another member of the same pool, which shows a certificate of its own."""
        query = urlencode(self.query, safe=":")
        name = f"[{host}]" if ":" in host else host
        port = "" if self.port == PORT else f":{self.port}"
        return f"{self.scheme}://{name}{port}" + (f"?{query}" if query else "")


def read(url: str, scheme: str, pins: Mapping[str, str] | None = None) -> Place:
    """`pins` are those of the settings, by host. Refused: it is no such URL."""
    plain, trust = split_pin(url)
    parts = urlsplit(plain)
    like = f"{scheme}://host or {scheme}://host:{PORT}"
    try:
        port = parts.port or PORT
    except ValueError as error:
        raise Refused(f"{url}: {error}; such a host's URL is like {like}") from error
    if parts.scheme != scheme or not parts.hostname or parts.path not in ("", "/"):
        raise Refused(f"{url} is no URL of such a host: it is like {like}")
    if parts.username or parts.password:
        raise Refused("say the agent's user name and password beside the URL, not in it")
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    strange = [name for name, _ in query if name not in KNOWN]
    if strange:
        raise Refused(f"{url}: nothing is known of {', '.join(strange)}; known: {', '.join(KNOWN)}")
    pinned = pins or {}
    if not trust.pin:
        trust = Trust(pinned.get(parts.hostname, ""))
    return Place(scheme, parts.hostname, port, trust, query, pinned)


def chosen_pins(text: str) -> dict[str, str]:
    """`address@sha256:<hex>`, one after another with spaces between. Refused: no such pins."""
    pairs = [one.partition("@") for one in text.split()]
    wrong = [host for host, _, pin in pairs if PIN.fullmatch(pin) is None]
    if wrong:
        raise Refused(f"the pin of {wrong[0]} in the settings is not sha256: and 64 hex digits")
    return {host: pin for host, _, pin in pairs}
