"""Any URL is a simulated host, and any URL is a simulated pool: this is how one is read.

The URL without user, query and fragment is the identity of the thing. The query says what it is
like, `?cpus=&mhz=&memory_gib=&name=` for a host and `?capacity_gib=` for a pool, and how it
misbehaves: `?unreachable=1` never answers, `?refuse=1` turns everybody away. `?hosts=3` stands for
three hosts, as the address of a vCenter does. Pure functions.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused, Unavailable
from drivers.sim.rows import SimHost, SimPool

CPU_COUNT = 32
CPU_MHZ = 2600
MEMORY_GIB = 256
CAPACITY_GIB = 10 * 1024
GIB = 1024**3


def identity(url: str) -> str:
    """The name of the thing behind `url`; it holds no secret, so it may be shown and stored."""
    if "?" not in url and "@" not in url and "#" not in url:
        return url.rstrip("/")
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{netloc}{parts.path}".rstrip("/")


def host_from_url(url: str) -> SimHost:
    """The host that `url` describes; raises what its query asks for."""
    ident, query = _read(url, "host")
    return SimHost(
        url=ident,
        name=query.get("name") or _host_name(ident),
        cpu_count=_number(query, "cpus", CPU_COUNT, url),
        cpu_mhz=_number(query, "mhz", CPU_MHZ, url),
        memory_mib=_number(query, "memory_gib", MEMORY_GIB, url) * 1024,
    )


def behind(address: HostAddress) -> tuple[HostAddress, ...]:
    """The hosts that an address stands for: itself, or `?hosts=3` of them below it."""
    ident, query = _read(address.url, "host")
    if "hosts" not in query:
        return (address,)
    count = _number(query, "hosts", 1, address.url)
    return tuple(replace(address, url=f"{ident}/{number}") for number in range(1, count + 1))


def pool_from_url(url: str) -> SimPool:
    """The pool that `url` describes; raises what its query asks for."""
    ident, query = _read(url, "pool")
    capacity_gib = _number(query, "capacity_gib", CAPACITY_GIB, url)
    return SimPool(url=ident, capacity_bytes=capacity_gib * GIB)


def hardware_id(ident: str) -> UUID:
    """A machine keeps its serial number for as long as it keeps its URL."""
    return uuid5(NAMESPACE_URL, ident)


def _read(url: str, what: str) -> tuple[str, dict[str, str]]:
    ident = identity(url)
    if not ident:
        raise Refused(f"a simulated {what} needs a URL; any will do, for example sim://one")
    if "?" not in url:
        return ident, {}
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    if query.get("refuse") == "1":
        raise Refused(f"simulated {what} {ident} refuses everybody: its URL says refuse=1")
    if query.get("unreachable") == "1":
        raise Unavailable(f"simulated {what} {ident} does not answer: its URL says unreachable=1")
    return ident, query


def _number(query: dict[str, str], name: str, default: int, url: str) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise Refused(f"{identity(url)}: {name}={text} is not a whole number above zero")
    return int(text)


def _host_name(ident: str) -> str:
    """The URL's own host name, and its path where several hosts share one."""
    _, _, rest = ident.rpartition("://")
    name = rest.replace("/", "-").strip("-")
    return name or f"sim-{hardware_id(ident).hex[:8]}"
