"""Pure: a router as Linux is told of it: rules for nftables, and what dnsmasq reads. What haproxy
reads is in `proxy_words`.

In the router's network namespace the way out is called `public`, and each network's side after its
network. A line about a public address speaks of the address and port that a caller used, which
connection tracking remembers, so a firewall decides by what people see and not by where packets
are led. (https://wiki.nftables.org; dnsmasq(8))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from uuid import UUID

from drivers.contract.errors import Refused
from drivers.contract.routing import (
    EVERYWHERE,
    Balance,
    Forward,
    GuestNet,
    Lease,
    Line,
    RouterSpec,
    Traffic,
)
from drivers.kit.proxy_words import proxied

LEASE_S = 86_400
# Names of hosts and domains as DNS has them; whatever else somebody wrote gets no name.
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*")
OPTION = re.compile(r"[a-z][a-z0-9-]{1,30}")
VALUE = re.compile(r"[ -~]{1,255}")
MAC = re.compile(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}")
PROTOCOLS = ("tcp", "udp", "icmp")
UNIT_END = "\x1f"


def side(net: GuestNet) -> str:
    """What a network's interface is called inside the router: 13 of the 15 characters that it may
    have."""
    return f"n{net.network_id.hex[:12]}"


def rules(spec: RouterSpec) -> str:
    """What nftables loads at once, in the place of all that it had."""
    chains = [
        _chain("lead", "type nat hook prerouting priority dstnat", _leading(spec)),
        _chain("leave", "type nat hook postrouting priority srcnat", _leaving(spec)),
    ]
    for net in spec.nets:
        chains += [
            _chain(f"from_{side(net)}", "", _lines(net.goes, "return", net.goes_open)),
            _chain(f"to_{side(net)}", "", _lines(net.comes, "accept", net.comes_open)),
        ]
    # Behind the chains that they jump to.
    for number, balance in enumerate(proxied(spec)):
        chains.append(_chain(f"call_{number}", "", _calling(spec, balance)))
    chains.append(_chain("own", "type filter hook input priority filter; policy drop", _own(spec)))
    passing = "type filter hook forward priority filter; policy drop"
    chains.append(_chain("pass", passing, _passing(spec)))
    return "flush ruleset\ntable ip sagastack {\n" + "".join(chains) + "}\n"


def _chain(name: str, kind: str, lines: Iterable[str]) -> str:
    head = f"    {kind};\n" if kind else ""
    return f"  chain {name} {{\n{head}" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _leading(spec: RouterSpec) -> Iterator[str]:
    """Where packets for public addresses go: the narrower rule comes first."""
    for forward in spec.forwards:
        yield f"{_to(forward.address)} {_from(forward.sources)}{_led(forward)}"
    for balance in spec.balances:
        if balance.members and balance.proxied is None:
            yield f"{_to(balance.address)} {_from(balance.sources)}{_spread(balance)}"
    for nat in spec.static_nats:
        yield f"{_to(nat.address)} dnat to {_ip(nat.to_ip4)}"


def _led(one: Forward) -> str:
    protocol = _transport(one.protocol)
    first, last = int(one.first_port), int(one.last_port)
    start, end = int(one.to_first_port), int(one.to_last_port)
    ports = f"{protocol} dport {_range(first, last)}"
    if (first, last) == (start, end):
        return f"{ports} dnat to {_ip(one.to_ip4)}"
    if start == end:
        return f"{ports} dnat to {_ip(one.to_ip4)}:{start}"
    pairs = zip(range(first, last + 1), range(start, end + 1), strict=True)
    each = ", ".join(f"{port} : {_ip(one.to_ip4)} . {to}" for port, to in pairs)
    return f"{ports} dnat ip to {protocol} dport map {{ {each} }}"


def _spread(one: Balance) -> str:
    protocol = _transport(one.protocol)
    turn = "jhash ip saddr" if one.by_source else "numgen inc"
    each = ", ".join(
        f"{number} : {_ip(ip4)} . {int(port)}" for number, (ip4, port) in enumerate(one.members)
    )
    count = len(one.members)
    return f"{protocol} dport {int(one.port)} dnat ip to {turn} mod {count} map {{ {each} }}"


def _leaving(spec: RouterSpec) -> Iterator[str]:
    """What packets of guests say that they come from."""
    for net in spec.nets:
        # A guest that calls its neighbour by a public address must have the answer come this way.
        both = f'iifname "{side(net)}" oifname "{side(net)}"'
        yield f"{both} ct status dnat snat to {_ip(net.own_address)}"
    for nat in spec.static_nats:
        yield f'oifname "public" ip saddr {_ip(nat.to_ip4)} snat to {_ip(nat.address)}'
    if spec.uplink is not None and spec.uplink.source_nat:
        for net in spec.nets:
            cidr, address = IPv4Network(net.cidr), _ip(spec.uplink.source_nat)
            yield f'oifname "public" ip saddr {cidr} snat to {address}'


def _own(spec: RouterSpec) -> Iterator[str]:
    """What the router itself listens to: its guests, and pings that an address lets in."""
    yield "ct state established,related accept"
    yield 'iifname "lo" accept'
    for net in spec.nets:
        guests = f'iifname "{side(net)}"'
        yield f"{guests} icmp type echo-request accept"
        if net.serves_dhcp:
            yield f"{guests} udp dport 67 accept"
        if net.serves_dns:
            yield f"{guests} udp dport 53 accept"
            yield f"{guests} tcp dport 53 accept"
        for one in net.comes:
            if one.address and one.allow and one.traffic.protocol in ("icmp", "all"):
                match = _match(replace(one.traffic, protocol="icmp"))
                yield f'iifname "public" ip daddr {_ip(one.address)} {match}accept'
    for number, balance in enumerate(proxied(spec)):
        port = f"{_to(balance.address)} tcp dport {int(balance.port)}"
        for net in spec.nets:
            guests = f'iifname "{side(net)}" {port}'
            if net is _home(spec, balance):
                yield f"{guests} accept"
            else:
                yield f"{guests} jump from_{side(net)}"
                yield f"{guests} jump call_{number}"
        yield f'iifname "public" {port} {_from(balance.sources)}jump call_{number}'


def _passing(spec: RouterSpec) -> Iterator[str]:
    """What leaves a network is tried by its lines, and then what comes to another by its own."""
    yield "ct state established,related accept"
    yield "ct state invalid drop"
    for net in spec.nets:
        yield f'iifname "{side(net)}" oifname "{side(net)}" ct status dnat accept'
    for net in spec.nets:
        yield f'iifname "{side(net)}" jump from_{side(net)}'
    yield 'iifname "public" ct status & dnat == 0 drop'
    yield 'iifname != "public" oifname "public" accept'
    for net in spec.nets:
        yield f'oifname "{side(net)}" jump to_{side(net)}'


def _calling(spec: RouterSpec, balance: Balance) -> Iterator[str]:
    """Who may call a balancer that takes connections itself: whom the lines of its guests' network
    let in to them. A line about a public address speaks of the port there, another of guests'."""
    net, (_, to) = _home(spec, balance), balance.members[0]
    for line in () if net is None else net.comes:
        is_about = not line.address or _ip(line.address) == _ip(balance.address)
        if is_about and _covers(line.traffic, balance.port if line.address else to):
            yield f"{_from(line.traffic.sources)}{'accept' if line.allow else 'drop'}"
    yield "accept" if net is not None and net.comes_open else "drop"


def _home(spec: RouterSpec, balance: Balance) -> GuestNet | None:
    """The network of a balancer's guests."""
    ip4 = _ip(balance.members[0][0])
    return next((one for one in spec.nets if ip4 in IPv4Network(one.cidr)), None)


def _covers(traffic: Traffic, port: int) -> bool:
    """Is a connection of TCP to this port among it?"""
    if traffic.protocol not in ("tcp", "all", "6"):
        return False
    if traffic.protocol != "tcp" or traffic.first_port is None:
        return True
    return traffic.first_port <= port <= (traffic.last_port or traffic.first_port)


def _lines(lines: Sequence[Line], allowed: str, is_open: bool) -> Iterator[str]:
    """The lines of a chain that lets pass by the verdict `allowed`."""
    for line in lines:
        yield f"{_of(line)}{allowed if line.allow else 'drop'}"
    yield allowed if is_open else "drop"


def _of(line: Line) -> str:
    if not line.address:
        return _match(line.traffic)
    match = _match(line.traffic, "ct original proto-dst")
    return f"ct original ip daddr {_ip(line.address)} {match}"


def _match(traffic: Traffic, port: str = "") -> str:
    """An expression that matches it, with a blank behind it. `port`: where its ports are read."""
    where = _from(traffic.sources) + _towards(traffic.targets)
    protocol = traffic.protocol
    if protocol == "all":
        return where
    if protocol == "icmp":
        kind = "" if traffic.icmp_type is None else f"icmp type {int(traffic.icmp_type)} "
        code = "" if traffic.icmp_code is None else f"icmp code {int(traffic.icmp_code)} "
        return f"{where}meta l4proto icmp {kind}{code}"
    if protocol in ("tcp", "udp"):
        of = f"{where}meta l4proto {protocol} "
        if traffic.first_port is None:
            return of
        first = int(traffic.first_port)
        ports = _range(first, int(traffic.last_port or first))
        return f"{of}{port or f'{protocol} dport'} {ports} "
    if protocol.isdecimal() and int(protocol) < 256:
        return f"{where}ip protocol {int(protocol)} "
    raise Refused(f"a router knows no protocol {protocol!r}: {', '.join(PROTOCOLS)} or all")


def _transport(protocol: str) -> str:
    if protocol in ("tcp", "udp"):
        return protocol
    raise Refused(f"ports are of tcp and udp, not of {protocol!r}")


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _to(address: str) -> str:
    return f"ip daddr {_ip(address)}"


def _from(sources: Sequence[str]) -> str:
    return _among("saddr", sources)


def _towards(targets: Sequence[str]) -> str:
    return _among("daddr", targets)


def _among(field: str, cidrs: Sequence[str]) -> str:
    """An expression for these subnets, with a blank behind it; empty for all. Overlaps are one."""
    if not cidrs or EVERYWHERE in cidrs:
        return ""
    found = sorted({IPv4Network(one, strict=False) for one in cidrs})
    apart = [
        one for one in found if not any(one != other and one.subnet_of(other) for other in found)
    ]
    return f"ip {field} {{ {', '.join(map(str, apart))} }} "


def _ip(address: str) -> IPv4Address:
    """Nothing but an address goes into a rule, whoever wrote it."""
    return IPv4Address(address)


def dnsmasq_conf(spec: RouterSpec, folder: str) -> str:
    """The settings of the networks' DHCP and DNS; empty where they have neither."""
    served = [net for net in spec.nets if net.serves_dhcp or net.serves_dns]
    if not served:
        return ""
    lines = [f"interface={side(net)}" for net in served]
    lines += [
        "except-interface=lo",
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        "no-poll",
        f"pid-file={folder}/dnsmasq.pid",
        "user=root",
    ]
    lines += _dns_lines(spec, folder) if any(net.serves_dns for net in served) else ["port=0"]
    if any(net.serves_dhcp for net in served):
        lines += [
            f"dhcp-hostsfile={folder}/leases",
            f"dhcp-optsfile={folder}/options",
            f"dhcp-leasefile={folder}/held",
        ]
        if all(net.own_address == net.gateway for net in served):
            # Whoever asks for what it had of this router on another host gets it. Beside another
            # gateway there may be another server, whose clients are none of ours to refuse.
            lines.append("dhcp-authoritative")
        for net in served:
            lines += (
                _dhcp_lines(spec, net) if net.serves_dhcp else [f"no-dhcp-interface={side(net)}"]
            )
    return "\n".join(lines) + "\n"


def _dns_lines(spec: RouterSpec, folder: str) -> Iterator[str]:
    yield f"addn-hosts={folder}/names"
    for net in spec.nets:
        yield f"host-record={','.join(_names('gateway', net.domain))},{_ip(net.gateway)}"
    yield from (f"server={_ip(one)}" for one in spec.resolvers)
    for domain in dict.fromkeys(net.domain for net in spec.nets if _named(net.domain)):
        yield f"local=/{domain}/"


def _dhcp_lines(spec: RouterSpec, net: GuestNet) -> Iterator[str]:
    """A network's part."""
    cidr, gateway, tag = IPv4Network(net.cidr), _ip(net.gateway), side(net)
    yield f"dhcp-range=set:{tag},{cidr.network_address},static,{cidr.netmask},{LEASE_S}"
    yield f"dhcp-option=tag:{tag},option:router,{gateway}"
    resolvers = [_ip(net.own_address)] if net.serves_dns else [_ip(one) for one in spec.resolvers]
    if resolvers:
        yield f"dhcp-option=tag:{tag},option:dns-server,{','.join(map(str, resolvers))}"
    if _named(net.domain):
        yield f"domain={net.domain},{cidr}"


def tag_of(nic_id: UUID) -> str:
    """What a card is called where it is told apart from others."""
    return f"x{nic_id.hex[:12]}"


def card(lease: Lease) -> tuple[str, str]:
    """The line of a card, and what DHCP cannot say of it; empty if it can say all.

    Its fields, with tabs between: what it is called, its address, what of it goes into dnsmasq's
    file of hosts, what into the file of names (as /etc/hosts has it), and into that of options,
    where lines end with the unit separator of ASCII.
    """
    tag, address = tag_of(lease.nic_id), _ip(lease.ip4)
    if not MAC.fullmatch(lease.mac):
        return f"{tag}\t{address}\t\t\t", f"{lease.mac!r} is no hardware address"
    options, why = [] if lease.leads_out else [f"tag:{tag},option:router"], ""
    for option, value in lease.options:
        try:
            options.append(f"tag:{tag},{_option(option)},{_value(option, value)}")
        except Refused as error:
            why = str(error)
    called = f",{lease.name}" if _named(lease.name) else ""
    host = f"{lease.mac}{f',set:{tag}' if options else ''},{address}{called}"
    names = f"{address} {' '.join(_names(lease.name, lease.domain))}" if called else ""
    return "\t".join((tag, str(address), host, names, UNIT_END.join(options))), why


def _option(option: str) -> str:
    if option.isdecimal() and 0 < int(option) < 255:
        return option
    if OPTION.fullmatch(option):
        return f"option:{option}"
    raise Refused(f"{option!r} is no option of DHCP: its number, or its name")


def _value(option: str, value: str) -> str:
    if not VALUE.fullmatch(value):
        raise Refused(f"option {option} of DHCP cannot be {value!r}: write plain text")
    return value


def _names(name: str, domain: str) -> tuple[str, ...]:
    """With its domain, and without."""
    return (f"{name}.{domain}", name) if _named(domain) else (name,)


def _named(name: str) -> bool:
    return bool(NAME.fullmatch(name))


def own_address(net: GuestNet) -> str:
    """The router's address on a network, with its prefix."""
    return f"{_ip(net.own_address)}/{IPv4Network(net.cidr).prefixlen}"


def next_hop(spec: RouterSpec) -> str:
    """Where it sends what is for nobody on its networks: out, or to their gateway, if that is not
    itself."""
    if spec.uplink is not None:
        return str(_ip(spec.uplink.gateway))
    others = (net.gateway for net in spec.nets if net.gateway != net.own_address)
    return next((str(_ip(one)) for one in others), "")


def public_addresses(spec: RouterSpec) -> list[str]:
    return [] if spec.uplink is None else [str(IPv4Interface(a)) for a in spec.uplink.addresses]
