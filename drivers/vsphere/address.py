"""URLs of this kind: `vsphere://vcenter[:port]/<datacenter>/<cluster>[/<host>][?pin=sha256:..]`.

Pools are `vmfs://<datacenter>/<datastore>`, and `nfs://` and `vsan://` alike: a datastore has its
name in its datacenter whatever it lies on. What is no plain name is percent-encoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from drivers.contract.errors import Refused
from drivers.contract.storage import PoolSpec
from drivers.kit.tls import Trust, split_pin, with_pin

FORM = "vsphere://vcenter[:port]/<datacenter>/<cluster>[/<host>]"
POOL_FORM = "vmfs://<datacenter>/<datastore> or nfs://<datacenter>/<datastore>"
PORT = 443
# A name of labels, or an address (RFC 1123, RFC 4291).
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST = re.compile(rf"(?=.{{1,253}}$)({LABEL}(\.{LABEL})*\.?|[0-9A-Fa-f]*:[0-9A-Fa-f:.%]+)")
# What stands for every cluster of a datacenter, where that is asked what it has.
EVERY = "*"
POOL_SCHEMES = ("vmfs", "nfs", "vsan")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vCenter is and what in it is meant; `esx` is empty for the whole cluster."""

    host: str
    port: int
    trust: Trust
    datacenter: str
    cluster: str
    esx: str = ""

    def url_of(self, esx: str) -> str:
        """The URL of one host of the cluster, with the same pin."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORT else f":{self.port}"
        path = "/".join(quote(part, safe="") for part in (self.datacenter, self.cluster, esx))
        return with_pin(f"vsphere://{shown}{port}/{path}", self.trust)

    @property
    def server(self) -> str:
        return f"{self.host}:{self.port}"


def read(url: str) -> Place:
    """Refused: it is no such URL."""
    plain, trust = split_pin(url)
    try:
        parts = urlsplit(plain)
        port = parts.port or PORT
    except ValueError as error:
        raise Refused(f"{url!r} is no URL: {error}") from error
    names = [unquote(part) for part in parts.path.split("/") if part]
    if parts.hostname and not HOST.fullmatch(parts.hostname):
        raise Refused(f"{url!r} names no vCenter: {parts.hostname!r} is no name of a machine")
    if parts.scheme != "vsphere" or not parts.hostname or len(names) not in (2, 3):
        raise Refused(f"{url!r} names no cluster of a vCenter: it must be like {FORM}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Refused(f"a URL like {FORM} holds no name, password or query: give those beside it")
    return Place(parts.hostname, port, trust, *names)


def pool_names(pool: PoolSpec) -> tuple[str, str]:
    """The datacenter and the datastore of a pool."""
    parts = urlsplit(pool.url)
    names = [unquote(one) for one in (parts.netloc, *parts.path.split("/")) if one]
    if parts.scheme not in POOL_SCHEMES or len(names) != 2:
        raise Refused(f"{pool.url!r} names no datastore: it must be like {POOL_FORM}")
    return names[0], names[1]
