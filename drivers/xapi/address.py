"""Pure: how a pool's or a host's URL says where it is.

`xapi://POOL[:port]` is a pool by any of its members, `xapi://POOL[:port]/HOST-UUID` one host of it.
`http://HOST` and `https://HOST`, as clients of the API name such hosts, mean the same; XAPI is
always spoken over TLS. `?pin=sha256:...` trusts exactly one certificate (`drivers.kit.tls`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused
from drivers.kit.tls import Trust, split_pin, with_pin

PORT = 443
SCHEMES = ("xapi", "https", "http")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a pool answers, and which of its hosts is meant; `host_uuid` is empty for the pool."""

    host: str
    port: int = PORT
    trust: Trust = field(default_factory=Trust)
    host_uuid: str = ""

    @property
    def netloc(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORT else f"{name}:{self.port}"

    def url_of(self, host_uuid: str) -> str:
        """The URL of one host of this pool, which stays the same whatever happens to the others."""
        return with_pin(f"xapi://{self.netloc}/{host_uuid}", self.trust)

    def __str__(self) -> str:
        return self.netloc


def read_address(address: HostAddress) -> Place:
    """Refused: a URL that this driver can never use, or one with a secret."""
    plain, trust = split_pin(address.url)
    url = urlsplit(plain)
    if url.password is not None:
        raise Refused("a host's URL must not hold a password: give it as the password")
    try:
        port = url.port
    except ValueError as error:
        raise Refused(f"host URL {plain!r}: {error}") from None
    if url.scheme not in SCHEMES or not url.hostname:
        raise Refused(
            f"host URL {plain!r} names no XenServer: use xapi://POOL for all hosts of a pool, or "
            "xapi://POOL/HOST-UUID for one"
        )
    host_uuid = url.path.strip("/")
    if host_uuid:
        try:
            host_uuid = str(UUID(host_uuid))
        except ValueError:
            raise Refused(
                f"host URL {plain!r}: {host_uuid!r} is no UUID of a host; "
                f"xapi://{url.hostname} alone means all hosts of the pool"
            ) from None
    if url.scheme == "http" and port in (80, None):
        port = PORT
    return Place(host=url.hostname, port=port or PORT, trust=trust, host_uuid=host_uuid)
