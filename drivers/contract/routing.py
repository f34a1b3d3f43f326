"""What serves guest networks from one of their hosts: gateway, DHCP and DNS, NAT, and what passes.

A router is told whole: `run_router` makes it as a `RouterSpec` says, whatever was there before, so
a lost answer, a restarted host, a rule that changed meanwhile and a late call of a controller that
was paused are all mended by telling it again. A host tells which spec each of its routers has, by
the spec's digest, so whoever keeps them compares that with what the log says.

Leases come and go with every card that is plugged, so they are told singly: `tell_leases` says what
changed, from one mark to the next. A host that is not at that mark changes nothing, and is told
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, runtime_checkable
from uuid import UUID

from msgspec import json

EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where a network lies on a host: a bridge (empty: the host's usual one) and a VLAN of it."""

    bridge: str = ""
    vlan: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The address that a card gets by DHCP, and the host name that DNS knows it by, in `domain` and
    without.

    A card that is not its guest's way out (`leads_out`) is told of no gateway. `options` are more
    of DHCP's, by number or by dnsmasq's name.
    """

    nic_id: UUID
    mac: str
    ip4: str
    name: str = ""
    domain: str = ""
    leads_out: bool = True
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseChange:
    """Which leases of a router come, in the place of those that their cards had, and which cards
    have none any more.

    `now` is the mark that its host is at behind it, `was` the one that it has to be at before;
    with `was` of None it may be at any, and those that come are all that there are. A mark is a
    word without blanks that no other change has.
    """

    now: str
    was: str | None = None
    come: tuple[Lease, ...] = ()
    gone: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """The way out: its segment, the router's addresses there with their prefix, the next hop.

    `addresses` are written `192.0.2.5/24`. Guests go out as `source_nat`; empty: they do not.
    """

    segment: Segment
    addresses: tuple[str, ...]
    gateway: str
    source_nat: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Some packets. `protocol` is tcp, udp, icmp, a number, or all.

    Without ports it is every one of them; `icmp_type` and `icmp_code` of None are any.
    """

    protocol: str
    first_port: int | None = None
    last_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    sources: tuple[str, ...] = (EVERYWHERE,)
    targets: tuple[str, ...] = (EVERYWHERE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Whether some packets pass. With `address` it is about what was sent to that public address,
    and its ports are those that the sender used; else they are those that a guest sees."""

    traffic: Traffic
    allow: bool = True
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestNet:
    """A network that a router serves. It is the `gateway` of its guests; or it has an `address` of
    its own beside another gateway: then it tells addresses and names, and carries nothing.

    What comes to its guests and what goes from them is tried by lines, in their order; the first
    that fits decides, and `comes_open` or `goes_open` where none does. `resolvers` are told to
    guests where the router serves no DNS.
    """

    network_id: UUID
    segment: Segment
    gateway: str
    cidr: str
    address: str = ""
    serves_dhcp: bool = True
    serves_dns: bool = True
    domain: str = ""
    comes: tuple[Line, ...] = ()
    comes_open: bool = False
    goes: tuple[Line, ...] = ()
    goes_open: bool = False

    @property
    def own_address(self) -> str:
        return self.address or self.gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Ports of a public address that lead to a guest's: as many, or all of them to one."""

    address: str
    protocol: str
    first_port: int
    last_port: int
    to_ip4: str
    to_first_port: int
    to_last_port: int
    sources: tuple[str, ...] = (EVERYWHERE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticNat:
    """A public address that stands for a guest's."""

    address: str
    to_ip4: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """How callers of HTTP are kept with the guest that they had: by a cookie that the balancer sets
    or marks (`insert`, `rewrite`, `prefix`, with `words` of haproxy's), or one that guests set and
    it learns (`is_learnt`), which it remembers for `held`, by `length` characters of its value.
    """

    name: str
    mode: str = "insert"
    words: tuple[str, ...] = ()
    domain: str = ""
    is_learnt: bool = False
    from_request: bool = False
    length: int = 52
    held: str = "3h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a guest is asked whether it takes connections, by HTTP; times are in seconds."""

    path: str
    interval_s: int
    timeout_s: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxied:
    """Connections that the router takes itself, and makes another of to a guest, which sees them
    come from the router. A guest that takes none for some seconds is left out meanwhile.

    `to_fewest`: whoever has fewest gets the next. `tells_caller`: it begins with who called (the
    PROXY protocol, version 1). Without a `check` a guest is well where its port answers.
    """

    to_fewest: bool = False
    tells_caller: bool = False
    cookie: Cookie | None = None
    check: Check | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A port of a public address whose connections are spread over guests.

    `by_source`: who comes from one address always comes to the same guest. Else they take turns.
    Without `proxied` packets are led on as they are. That is for TCP alone.
    """

    address: str
    protocol: str
    port: int
    members: tuple[tuple[str, int], ...]
    by_source: bool = False
    sources: tuple[str, ...] = (EVERYWHERE,)
    proxied: Proxied | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSpec:
    """All that a router does but for leases: for one network, or for the tiers of a VPC, which it
    joins.

    `life` changes when it is to be made anew and know nothing of before. `resolvers` are asked by
    its own DNS.
    """

    router_id: UUID
    life: int
    nets: tuple[GuestNet, ...]
    uplink: Uplink | None = None
    resolvers: tuple[str, ...] = ()
    forwards: tuple[Forward, ...] = ()
    static_nats: tuple[StaticNat, ...] = ()
    balances: tuple[Balance, ...] = ()

    @property
    def digest(self) -> str:
        """The same for specs that say the same, and for no others."""
        return sha256(json.encode(self)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterStatus:
    """A router that is on a host. `digest` is of what it was last told, `mark` that of its leases
    (empty: it was told none yet); `trouble` what ails it."""

    router_id: UUID
    digest: str
    mark: str = ""
    trouble: str = ""


@runtime_checkable
class Routing(Protocol):
    """A host that can run routers. Its kind says so by `Capabilities.routers`."""

    async def run_router(self, spec: RouterSpec, *, key: UUID) -> None:
        """Let the router be as the spec says; connections that still may be go on, and leases stay.

        One that is as the spec says already is success, and what is broken of it is mended.
        Refused: the host cannot (a bridge or a program is missing), and says what would have to
        be there.
        """

    async def tell_leases(
        self, router_id: UUID, change: LeaseChange, *, key: UUID
    ) -> dict[UUID, str] | None:
        """Let cards have other leases, all at once; its DHCP and DNS begin with the first.

        None where the router is not here or not at the mark that it has to be at: nothing changed.
        Else what DHCP cannot say of which cards, and why: the rest of their leases holds. One that
        is at the mark `now` already is success.
        """

    async def remove_router(self, router_id: UUID, *, key: UUID) -> None:
        """Leave nothing of it here. One that is not here is success."""

    async def list_routers(self) -> list[RouterStatus]:
        """Every router on this host, and whether all of it is at work."""
