"""What the URL of a Hyper-V host says.

`winrm://host[:5986]` is WS-Management over TLS; `winrm+http://host[:5985]` is the same over HTTP,
where NTLM or Kerberos seals every message. `?auth=` is `ntlm` (the default), `kerberos` or
`basic` (over TLS only); `?pin=` as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused
from drivers.kit.tls import Trust, split_pin, with_pin

PORTS = {"winrm": 5986, "winrm+http": 5985}
AUTHS = ("ntlm", "kerberos", "basic")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a host is, and how it is spoken to."""

    host: str
    port: int
    tls: bool
    auth: str
    trust: Trust
    scheme: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def node(self, name: str) -> str:
        """The URL of another node of the same cluster, reached in the same way."""
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        auth = "" if self.auth == AUTHS[0] else f"?auth={self.auth}"
        return with_pin(f"{self.scheme}://{name}{port}{auth}", self.trust)


def read_address(address: HostAddress) -> Route:
    url, trust = split_pin(address.url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Refused(f"the URL {url!r} cannot be read: {error}") from error
    if parts.scheme not in PORTS or not host or parts.path not in ("", "/"):
        raise Refused(
            f"{url!r} is no URL of a Hyper-V host: write winrm://host for WinRM over TLS, or "
            "winrm+http://host for WinRM over HTTP with sealed messages"
        )
    asked = parse_qs(parts.query)
    auth = asked.pop("auth", [AUTHS[0]])[-1].lower()
    if asked or auth not in AUTHS:
        raise Refused(f"{url!r}: after ? there may be auth= ({', '.join(AUTHS)}) and pin=")
    tls = parts.scheme == "winrm"
    if auth == "basic" and not tls:
        raise Refused(f"{url!r}: Basic would show the password to the network: use winrm://")
    if trust.pin and not tls:
        raise Refused(f"{url!r}: there is no certificate to pin without TLS: use winrm://")
    if not address.username or not address.password:
        raise Refused(f"{host}: a Hyper-V host needs a username and a password")
    return Route(host, port or PORTS[parts.scheme], tls, auth, trust, parts.scheme)


def at_node(address: HostAddress, route: Route, name: str) -> HostAddress:
    return replace(address, url=route.node(name))
