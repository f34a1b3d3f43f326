"""Routers of guest networks, each in a network namespace of the host with its wires to bridges.

A router is files in a folder of the host (`rules.nft`, `dnsmasq.conf`, `leases`, `names`, `plan`)
and what was made of them. Both go with the host's memory, so one that restarts has neither and is
told again. Rules are loaded before a wire is up, all of them at once: no packet passes between. The
wires keep their hardware addresses wherever the router is, so neighbours need not learn them anew.
"""

from __future__ import annotations

import asyncio
import io
import re
import shlex
import tarfile
from collections.abc import Iterator
from ipaddress import IPv4Address
from uuid import UUID, uuid4

from drivers.contract.compute import NicSpec
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.routing import GuestNet, RouterSpec, RouterStatus, Segment
from drivers.kit import router_words
from drivers.libvirt import segments
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.shell import Shell, brought

REFUSES = 3
BRIDGE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
# Of $nets each line is a network: its side of the wire inside, the one outside, the bridge, the
# hardware address and the address. $public is the outer end of the way out.
PARTS = """
alive() {
  pid=$(cat "$at/dnsmasq.pid" 2>/dev/null) && [ -n "$pid" ] &&
    grep -qa "^dnsmasq" "/proc/$pid/cmdline" 2>/dev/null
}
silence() {
  alive && kill "$pid"
  while alive; do sleep 0.02; done
}
is_made() { ip netns exec "$ns" true 2>/dev/null; }
unmake() {
  silence
  for wire in $(echo "$nets" | cut -d" " -f2) "$public"; do ip link del "$wire" 2>/dev/null; done
  ip netns del "$ns" 2>/dev/null
  rm -f "/run/netns/$ns" && [ ! -e "/run/netns/$ns" ]
}
"""
# $1 the folder of all routers, $2 the router, $3 what it is made of, as a tar.
RUN = (
    PARTS
    + """
base=$1 at=$1/$2 new=$1/$2.new tar=$3
mkdir -p "$base" && exec 9>"$base/$2.lock" && flock -w 50 9 || exit 1
rm -rf "$new" && mkdir "$new" && tar -xf "$tar" -C "$new" && . "$new/plan" || exit 1
for tool in ip nft ${dnsmasq:+dnsmasq}; do
  command -v "$tool" >/dev/null || { echo "there is no $tool: apt-get install $(
    case $tool in ip) echo iproute2 ;; nft) echo nftables ;; *) echo dnsmasq-base ;; esac)" >&2
    exit 3; }
done
for bridge in $(echo "$nets" | cut -d" " -f3) $public_bridge; do
  [ -d "/sys/class/net/$bridge/bridge" ] || { echo "there is no bridge $bridge" >&2; exit 3; }
done
nft -c -f "$new/rules.nft" || exit 3
[ -z "$dnsmasq" ] || dnsmasq --test --conf-file="$new/dnsmasq.conf" 2>"$new/why" || {
  cat "$new/why" >&2; exit 3; }
rm -f "$new/why"
if ! is_made || [ "$(cat "$at/life" 2>/dev/null)" != "$life" ]; then
  ( [ ! -e "$at/plan" ] || . "$at/plan"; unmake ) && ip netns add "$ns" || exit 1
fi
mkdir -p "$at"
inside() { ip netns exec "$ns" "$@" 9>&-; }
inside nft -f "$new/rules.nft" || exit 1
inside sh -c '
  for one in /proc/sys/net/ipv6/conf/all /proc/sys/net/ipv6/conf/default; do
    [ ! -e $one ] || echo 1 >$one/disable_ipv6 || exit 1
  done
  cd /proc/sys/net/ipv4 && echo 1 >conf/all/promote_secondaries && echo 1 >conf/all/rp_filter &&
  echo 1 >conf/default/arp_notify && echo 1 >ip_forward' || exit 1
inside ip link set lo up
wire() {  # $1 its end inside, $2 the outer one, $3 the bridge, $4 the hardware address
  if ! inside ip link show "$1" >/dev/null 2>&1; then
    ip link del "$2" 2>/dev/null
    ip link add "$2" type veth peer name "$1" address "$4" netns "$ns" || return 1
  fi
  ip link set "$2" master "$3" up
}
assign() {  # $1 an interface inside, the rest its addresses
  link=$1
  shift
  for have in $(ip -n "$ns" -4 -o addr show dev "$link" | awk '{ print $4 }'); do
    case " $* " in *" $have "*) ;; *) ip -n "$ns" addr del "$have" dev "$link" ;; esac
  done
  for want in "$@"; do ip -n "$ns" addr replace "$want" dev "$link" || return 1; done
  ip -n "$ns" link set "$link" up
}
wanted=" public $(echo "$nets" | cut -d" " -f1 | tr "\\n" " ")"
for have in $(ip -n "$ns" -o link show type veth | cut -d" " -f2 | cut -d@ -f1); do
  case "$wanted" in *" $have "*) ;; *) ip -n "$ns" link del "$have" ;; esac
done
echo "$nets" | while read -r side outer bridge mac address; do
  wire "$side" "$outer" "$bridge" "$mac" </dev/null && assign "$side" "$address" </dev/null ||
    exit 1
done || exit 1
if [ -n "$public_bridge" ]; then
  wire public "$public" "$public_bridge" "$public_mac" && assign public $public_addresses &&
    ip -n "$ns" route replace default via "$next_hop" || exit 1
else
  ip link del "$public" 2>/dev/null
fi
same=yes
for one in dnsmasq.conf leases names; do cmp -s "$new/$one" "$at/$one" || same=; done
mv -f "$new"/* "$at/" && rmdir "$new" || exit 1
if [ -z "$dnsmasq" ] || [ -z "$same" ] || ! alive; then
  silence
  [ -z "$dnsmasq" ] || inside dnsmasq --conf-file="$at/dnsmasq.conf" || exit 1
fi
"""
)
# $1 the folder of all routers, $2 the router.
REMOVE = (
    PARTS
    + """
base=$1 at=$1/$2
[ -e "$base" ] || exit 0
exec 9>"$base/$2.lock" && flock -w 50 9 || exit 1
for plan in "$at/plan" "$at.new/plan"; do
  [ ! -e "$plan" ] || ( . "$plan"; unmake ) || exit 1
done
rm -rf "$at" "$at.new"  # The lock stays: somebody may be waiting for it.
"""
)
# $1 the folder of all routers. A line for each: its id, its digest, and what is wrong with it.
LIST = (
    PARTS
    + """
on() { [ -e "/sys/class/net/$2/brif/$1" ] || why="it is off $2"; }
for at in "$1"/*; do
  [ -e "$at/plan" ] && [ "${at%.new}" = "$at" ] || continue
  . "$at/plan"
  why=
  [ -z "$public_bridge" ] || on "$public" "$public_bridge"
  while read -r side outer bridge rest; do on "$outer" "$bridge"; done <<END
$nets
END
  [ -z "$dnsmasq" ] || alive || why="its DHCP and DNS have ended"
  ip netns exec "$ns" nft list table ip sagastack >/dev/null 2>&1 || why="it has no rules"
  is_made || why="its namespace is gone"
  echo "${at##*/} $(cat "$at/digest") $why"
done
"""
)


async def run(shell: Shell, spec: RouterSpec, host: HostProfile, *, folder: str) -> None:
    """Make the router as the spec says, or mend it."""
    if host.bridge_kind == "openvswitch":
        raise Refused("routers run on hosts with bridges of Linux, not of Open vSwitch")
    nics = [_nic(net.segment) for net in spec.nets]
    if spec.uplink is not None:
        nics.append(_nic(spec.uplink.segment))
    bridges = [segments.bridge_of(nic, host) for nic in nics]
    if not all(bridges):
        raise Refused(
            "no traffic label names the bridge of this network, nor does the setting "
            "default_bridge: updateTrafficType with kvmnetworklabel"
        )
    await segments.ensure(shell, nics, host)
    content = await asyncio.to_thread(_packed, spec, bridges, folder)
    scratch = f"/tmp/sagastack-router-{uuid4().hex}.tar"
    async with brought(shell, content, scratch) as tar:
        done = await shell.run("sh", "-uc", RUN, "sh", folder, str(spec.router_id), tar)
    if done.code:
        wrong = Refused if done.code == REFUSES else Unavailable
        served = ", ".join(net.cidr for net in spec.nets)
        raise wrong(f"the router of {served} is not as it should be: {done.complaint}")


async def remove(shell: Shell, router_id: UUID, *, folder: str) -> None:
    done = await shell.run("sh", "-uc", REMOVE, "sh", folder, str(router_id))
    if done.code:
        raise Unavailable(f"router {router_id} is not wholly gone: {done.complaint}")


async def listed(shell: Shell, *, folder: str) -> list[RouterStatus]:
    done = await shell.run("sh", "-uc", LIST, "sh", folder)
    if done.code:
        raise Unavailable(f"the host does not tell its routers: {done.complaint}")
    return list(_statuses(done.stdout))


def _statuses(told: str) -> Iterator[RouterStatus]:
    for line in told.splitlines():
        name, digest, trouble = (*line.split(" ", 2), "", "")[:3]
        yield RouterStatus(router_id=UUID(name), digest=digest, trouble=trouble)


def _nic(one: Segment) -> NicSpec:
    return NicSpec(nic_id=UUID(int=0), mac="", bridge=one.bridge, vlan=one.vlan)


def _packed(spec: RouterSpec, bridges: list[str], folder: str) -> bytes:
    """What the router is made of, as a tar."""
    at = f"{folder}/{spec.router_id}"
    files = {
        "rules.nft": router_words.rules(spec),
        "dnsmasq.conf": router_words.dnsmasq_conf(spec, at),
        "leases": router_words.leases(spec),
        "names": router_words.names(spec),
        "plan": plan(spec, bridges),
        "digest": spec.digest,
        "life": str(spec.life),
    }
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def plan(spec: RouterSpec, bridges: list[str]) -> str:
    """What the script is told, as variables of the shell. `bridges` are those of the networks, and
    behind them that of the way out. The kernel wants names of interfaces short."""
    tail = spec.router_id.hex[:12]
    uplink = spec.uplink
    told = {
        "ns": f"saga-{tail}",
        "nets": "\n".join(map(_net, spec.nets, bridges)),
        "public": f"p{tail}",
        "public_bridge": bridges[-1] if uplink is not None else "",
        "public_mac": _mac("0e", tail),
        "public_addresses": " ".join(router_words.public_addresses(spec)),
        "next_hop": "" if uplink is None else str(IPv4Address(uplink.gateway)),
        "dnsmasq": "yes" if any(n.serves_dhcp or n.serves_dns for n in spec.nets) else "",
        "life": str(spec.life),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in told.items())


def _net(net: GuestNet, bridge: str) -> str:
    if not BRIDGE.fullmatch(bridge):
        raise Refused(f"{bridge!r} is no name of a bridge")
    tail = net.network_id.hex[:12]
    address = router_words.own_address(net)
    return " ".join((router_words.side(net), f"g{tail}", bridge, _mac("0a", tail), address))


def _mac(first: str, tail: str) -> str:
    """An address that nobody was assigned, as its first byte says, and no guest of ours has."""
    return ":".join([first, *(tail[at : at + 2] for at in range(0, 10, 2))])
