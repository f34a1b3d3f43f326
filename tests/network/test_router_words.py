"""What routers are told, in the words of nftables and dnsmasq: pure, and nothing gets into them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from drivers.contract.errors import Refused
from drivers.contract.routing import (
    Balance,
    Check,
    Cookie,
    Forward,
    GuestNet,
    Lease,
    Line,
    Proxied,
    RouterSpec,
    Segment,
    StaticNat,
    Traffic,
    Uplink,
)
from drivers.kit import proxy_words, router_words
from drivers.libvirt.routers import plan

FIRST = "198.51.100.5"
NET = GuestNet(
    network_id=UUID("0c8ab09a-354d-48a9-bd88-db2ac3dbf3d9"),
    segment=Segment(bridge="br0", vlan=100),
    gateway="10.1.1.1",
    cidr="10.1.1.0/24",
    domain="cloud.test",
)
LEASE = Lease(
    nic_id=UUID("b3d9dbf3-354d-48a9-bd88-0c8ab09adb2a"),
    mac="02:00:00:00:00:09",
    ip4="10.1.1.9",
    name="one",
    domain="cloud.test",
)
SPEC = RouterSpec(
    router_id=UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f3a11"),
    life=3,
    nets=(NET,),
    uplink=Uplink(
        segment=Segment(bridge="br1"),
        addresses=(f"{FIRST}/24",),
        gateway="198.51.100.1",
        source_nat=FIRST,
    ),
    resolvers=("192.0.2.53",),
)


def with_net(**change: Any) -> RouterSpec:
    """The same with something else about its network."""
    return replace(SPEC, nets=(replace(NET, **change),))


FORWARD = Forward(
    address=FIRST,
    protocol="tcp",
    first_port=22,
    last_port=22,
    to_ip4="10.1.1.9",
    to_first_port=22,
    to_last_port=22,
)


def line(text: str, words: str) -> str:
    """The one line that has these words in it."""
    (found,) = [one.strip() for one in text.splitlines() if words in one]
    return found


@pytest.mark.parametrize(
    ("first", "last", "start", "end", "led"),
    [
        (22, 22, 22, 22, "tcp dport 22 dnat to 10.1.1.9"),
        (22, 30, 22, 30, "tcp dport 22-30 dnat to 10.1.1.9"),
        (2222, 2222, 22, 22, "tcp dport 2222 dnat to 10.1.1.9:22"),
        (2222, 2230, 22, 22, "tcp dport 2222-2230 dnat to 10.1.1.9:22"),
        (
            81,
            82,
            1,
            2,
            "tcp dport 81-82 dnat ip to tcp dport map { 81 : 10.1.1.9 . 1, 82 : 10.1.1.9 . 2 }",
        ),
    ],
)
def test_ports_lead_to_as_many(first: int, last: int, start: int, end: int, led: str) -> None:
    forward = replace(
        FORWARD, first_port=first, last_port=last, to_first_port=start, to_last_port=end
    )
    told = router_words.rules(replace(SPEC, forwards=(forward,)))
    assert line(told, f"ip daddr {FIRST}") == f"ip daddr {FIRST} {led}"


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        (Traffic(protocol="all"), "accept"),
        (Traffic(protocol="udp", first_port=53), "meta l4proto udp udp dport 53 accept"),
        (Traffic(protocol="tcp"), "meta l4proto tcp accept"),
        (Traffic(protocol="icmp"), "meta l4proto icmp accept"),
        (
            Traffic(protocol="icmp", icmp_type=8, icmp_code=0),
            "meta l4proto icmp icmp type 8 icmp code 0 accept",
        ),
        (Traffic(protocol="47"), "ip protocol 47 accept"),
        (
            Traffic(protocol="all", sources=("10.1.1.0/25", "10.1.1.0/24"), targets=("8.8.8.8",)),
            "ip saddr { 10.1.1.0/24 } ip daddr { 8.8.8.8/32 } accept",
        ),
    ],
)
def test_traffic_in_words(traffic: Traffic, words: str) -> None:
    told = router_words.rules(with_net(comes=(Line(traffic=traffic),)))
    chain = told[told.index("chain to_n") :].splitlines()
    assert chain[1].strip() == words and chain[2].strip() == "drop"


def test_the_narrower_rule_comes_first() -> None:
    """Of an address that stands for a guest, a port may still lead to another."""
    spec = replace(
        SPEC,
        forwards=(FORWARD,),
        static_nats=(StaticNat(address=FIRST, to_ip4="10.1.1.20"),),
        balances=(
            Balance(address=FIRST, protocol="tcp", port=80, members=(("10.1.1.9", 8080),)),
            Balance(address=FIRST, protocol="tcp", port=81, members=()),
        ),
    )
    told = [one.strip() for one in router_words.rules(spec).splitlines() if " dnat " in one]
    assert [one.split(" dnat ")[0] for one in told[:3]] == [
        f"ip daddr {FIRST} tcp dport 22",
        f"ip daddr {FIRST} tcp dport 80",
        f"ip daddr {FIRST}",
    ]


EVIL = "1.2.3.4; flush ruleset"
PROXIED = Balance(
    address=FIRST,
    protocol="tcp",
    port=80,
    members=(("10.1.1.9", 8080),),
    proxied=Proxied(to_fewest=True),
)


def told_of(balance: Balance, **net: Any) -> list[str]:
    """The lines by which callers of a balancer are let in."""
    rules = router_words.rules(replace(with_net(**net), balances=(balance,)))
    chain = rules[rules.index("chain call_0") :].splitlines()[1:]
    return [one.strip() for one in chain[: chain.index("  }")]]


def test_callers_of_a_balancer_are_tried_by_its_guests_lines() -> None:
    """A line about a public address is of the port there, one of a tier's list of the guests'."""
    web = Traffic(protocol="tcp", first_port=80, last_port=90, sources=("192.0.2.0/24",))
    inner = Traffic(protocol="tcp", first_port=8080)
    others = (
        Line(address="198.51.100.9", traffic=web),
        Line(address=FIRST, traffic=inner),
        Line(traffic=web),
        Line(traffic=Traffic(protocol="udp")),
    )
    assert told_of(PROXIED, comes=(Line(address=FIRST, traffic=web), *others)) == [
        "ip saddr { 192.0.2.0/24 } accept",
        "drop",
    ]
    tier = (Line(traffic=inner, allow=False), Line(traffic=Traffic(protocol="all")))
    assert told_of(PROXIED, comes=tier) == ["drop", "accept", "drop"]
    assert told_of(PROXIED, comes_open=True) == ["accept"]
    rules = router_words.rules(replace(SPEC, balances=(PROXIED,)))
    assert "dnat" not in line(rules, "tcp dport 80 jump")


def test_a_balancer_in_words() -> None:
    told = proxy_words.haproxy_conf(replace(SPEC, balances=(PROXIED,)))
    assert "  bind 198.51.100.5:80\n  mode tcp\n  balance leastconn\n" in told
    assert "10.1.1.9:8080 check inter 2s fall 3 rise 2\n" in told
    assert not proxy_words.haproxy_conf(SPEC)
    assert not proxy_words.haproxy_conf(replace(SPEC, balances=(replace(PROXIED, members=()),)))


@pytest.mark.parametrize(
    "how",
    [
        Proxied(cookie=Cookie(name="a b")),
        Proxied(cookie=Cookie(name="a", mode="insert\nbind")),
        Proxied(cookie=Cookie(name="a", words=("domain x",))),
        Proxied(cookie=Cookie(name="a", domain="a b")),
        Proxied(cookie=Cookie(name="a", is_learnt=True, held="1h\n")),
        Proxied(
            check=Check(path="/ HTTP/1.1\n", interval_s=1, timeout_s=1, healthy=1, unhealthy=1)
        ),
    ],
)
def test_nothing_but_words_gets_into_a_balancer(how: Proxied) -> None:
    with pytest.raises(Refused):
        proxy_words.haproxy_conf(replace(SPEC, balances=(replace(PROXIED, proxied=how),)))
    for wrong in ({"address": EVIL}, {"members": ((EVIL, 80),)}, {"protocol": "udp"}):
        with pytest.raises((Refused, ValueError)):
            proxy_words.haproxy_conf(replace(SPEC, balances=(replace(PROXIED, **wrong),)))


@pytest.mark.parametrize(
    "change",
    [
        {"gateway": EVIL},
        {"cidr": EVIL},
        {"goes": (Line(traffic=Traffic(protocol=EVIL)),)},
        {"comes": (Line(address=EVIL, traffic=Traffic(protocol="tcp")),)},
        {"comes": (Line(traffic=Traffic(protocol="tcp", sources=(EVIL,))),)},
    ],
)
def test_nothing_but_addresses_gets_into_a_line(change: dict[str, Any]) -> None:
    with pytest.raises((Refused, ValueError)):
        router_words.rules(with_net(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"forwards": (replace(FORWARD, to_ip4=EVIL),)},
        {"forwards": (replace(FORWARD, protocol=EVIL),)},
        {"forwards": (replace(FORWARD, sources=(EVIL,)),)},
        {"static_nats": (StaticNat(address=FIRST, to_ip4=EVIL),)},
        {"balances": (Balance(address=FIRST, protocol="tcp", port=1, members=((EVIL, 1),)),)},
    ],
)
def test_nothing_but_addresses_gets_into_a_rule(change: dict[str, Any]) -> None:
    with pytest.raises((Refused, ValueError)):
        router_words.rules(replace(SPEC, **change))


def test_a_card_in_words() -> None:
    tag = "xb3d9dbf3354d"
    assert router_words.card(LEASE) == (
        f"{tag}\t10.1.1.9\t02:00:00:00:00:09,10.1.1.9,one\t10.1.1.9 one.cloud.test one\t",
        "",
    )
    aside = replace(
        LEASE, leads_out=False, options=(("66", "boot.test"), ("ntp-server", "1.2.3.4"))
    )
    options = f"tag:{tag},option:router\x1ftag:{tag},66,boot.test"
    line, why = router_words.card(aside)
    assert line.split("\t")[2] == f"02:00:00:00:00:09,set:{tag},10.1.1.9,one" and not why
    assert line.split("\t")[4] == f"{options}\x1ftag:{tag},option:ntp-server,1.2.3.4"


def test_dnsmasq_is_told_names_and_no_more() -> None:
    evil = "one\ndhcp-script=/bin/sh"
    spec = with_net(domain=evil)
    told = router_words.dnsmasq_conf(spec, "/run/r")
    assert "dhcp-script" not in told
    bare = f"xb3d9dbf3354d\t10.1.1.9\t{LEASE.mac},10.1.1.9\t\t"
    assert router_words.card(replace(LEASE, name=evil, domain=evil)) == (bare, "")
    line, why = router_words.card(replace(LEASE, mac=evil))
    assert "dhcp-script" not in line and "no hardware address" in why
    for options in ((("66; evil", "value"),), (("66", evil),), (("66", "a\tb\x1fc"),)):
        line, why = router_words.card(replace(LEASE, name=evil, options=options))
        assert line == bare and why
    with pytest.raises(ValueError):
        router_words.card(replace(LEASE, ip4=evil))


def test_dhcp_and_dns_are_two_services() -> None:
    told = router_words.dnsmasq_conf(with_net(serves_dns=False), "/run/r")
    assert "port=0" in told and "dns-server,192.0.2.53" in told
    told = router_words.dnsmasq_conf(with_net(serves_dhcp=False), "/run/r")
    assert "dhcp-range" not in told and "server=192.0.2.53" in told
    assert not router_words.dnsmasq_conf(with_net(serves_dhcp=False, serves_dns=False), "/run/r")


def test_the_shell_is_told_words() -> None:
    told = plan(SPEC, ["br0-100", "br1"])
    assert line(told, "public_bridge=") == "public_bridge=br1"
    assert line(told, "nets=") == (
        "nets='n0c8ab09a354d g0c8ab09a354d br0-100 0a:0c:8a:b0:9a:35 10.1.1.1/24'"
    )
    with pytest.raises(Refused, match="no name of a bridge"):
        plan(SPEC, ["br0; reboot", "br1"])


def test_specs_that_say_the_same_have_one_digest() -> None:
    assert replace(SPEC).digest == SPEC.digest
    assert replace(SPEC, life=4).digest != SPEC.digest


def test_beside_another_gateway_it_tells_and_carries_nothing() -> None:
    spec = replace(with_net(address="10.1.1.254"), uplink=None)
    told = router_words.dnsmasq_conf(spec, "/run/r")
    assert "dhcp-authoritative" not in told, "it sends clients of another server away"
    assert "dhcp-authoritative" in router_words.dnsmasq_conf(SPEC, "/run/r")
    assert "option:router,10.1.1.1\n" in told and "dns-server,10.1.1.254\n" in told
    assert "host-record=gateway.cloud.test,gateway,10.1.1.1\n" in told
    words = plan(spec, ["br0-100"])
    assert line(words, "next_hop=") == "next_hop=10.1.1.1" and " 10.1.1.254/24" in words
    rules = router_words.rules(spec)
    chain = rules[rules.index("chain from_n") :].splitlines()
    assert chain[1].strip() == "drop"
