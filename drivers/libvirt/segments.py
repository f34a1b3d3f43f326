"""A VLAN on a host of plain Linux bridges: one bridge for each, so that guests are kept apart.

Through each card of the host's that is in the bridge which carries the VLAN, the VLAN's own bridge
reaches other hosts, tagged (802.1Q). Where there is no such card, guests of one network reach each
other on one host only. Guests of two networks never do. A VLAN's bridge is made when a guest first
needs it; one that no guest is on any more costs nothing and is found again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from drivers.contract.compute import NicSpec
from drivers.contract.errors import Refused
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.shell import Shell

# An interface's name has at most 15 characters; "-4094" are the last five of them.
STEM_LENGTH = 10
# $1 the bridge that carries the VLAN, or how its name begins and a star; $2 the VLAN; $3 its own
# bridge; and so on. Two bridges of one beginning would be joined by the VLANs' bridges, whose names
# have no more than that. A card that Xen made for a guest has a device behind it as well.
MAKE = """
while [ $# -gt 0 ]; do
  carrier=$1 vlan=$2 one=$3 net=/sys/class/net
  shift 3
  [ "$(ls -d $net/$carrier/brif 2>/dev/null | grep -c -v -e '-[0-9]*/brif$')" -le 1 ] || {
    echo "bridges $carrier begin alike: which carries VLAN $vlan? Rename one" >&2
    exit 1
  }
  ip link show "$one" >/dev/null 2>&1 || ip link add "$one" type bridge
  ip link set "$one" up || exit 1
  for port in $net/$carrier/brif/*; do
    port=${port##*/}
    [ -e "$net/$port/device" ] || [ -e "$net/$port/bonding" ] || continue
    case $port in vif*) continue ;; esac
    card=$port.$vlan
    [ ${#card} -le 15 ] || card=v$(cat "$net/$port/ifindex").$vlan
    [ -e "$net/$card" ] ||
      ip link add link "$port" name "$card" master "$one" type vlan id "$vlan" ||
      [ -e "$net/$card" ] || {
      echo "VLAN $vlan is not carried over $port: has its kernel the module 8021q?" >&2
      exit 1
    }
    holder=$(readlink "$net/$card/master")
    [ "${holder##*/}" = "$one" ] || {
      echo "$card is there, and not in this bridge: take it away, or use another VLAN" >&2
      exit 1
    }
    ip link set "$card" up || exit 1
  done
done
"""
OURS = re.compile(rf"(.{{1,{STEM_LENGTH}}})-([1-9][0-9]{{0,3}})")


def segment(bridge: str, vlan: int) -> str:
    """The name of the bridge that stands for this VLAN of `bridge`."""
    return f"{(bridge or 'saga')[:STEM_LENGTH]}-{vlan}"


def bridge_of(nic: NicSpec, host: HostProfile) -> str:
    """The bridge that a card is plugged into; empty for none."""
    bridge = nic.bridge or host.default_bridge
    if nic.vlan is None or host.bridge_kind == "openvswitch":
        return bridge
    return segment(bridge, nic.vlan)


async def ensure(shell: Shell, nics: Iterable[NicSpec], host: HostProfile) -> None:
    """Make the bridges of these cards' VLANs. `Refused`: the host does not let us."""
    if host.bridge_kind == "openvswitch":
        return
    await _make(shell, {bridge_of(nic, host) for nic in nics if nic.vlan is not None})


async def follow(shell: Shell, bridges: Iterable[str], *, bridge_kind: str) -> None:
    """Make those of a guest's bridges that are VLANs' on the host that it moves to."""
    if bridge_kind == "openvswitch":
        return
    await _make(shell, {one for one in bridges if OURS.fullmatch(one)})


async def _make(shell: Shell, wanted: set[str]) -> None:
    if not wanted:
        return
    words = [word for one in sorted(wanted) for word in (*_carrier(one), one)]
    done = await shell.run("sh", "-c", MAKE, "sh", *words)
    if done.code:
        raise Refused(f"the host makes no bridge {', '.join(sorted(wanted))}: {done.complaint}")


def _carrier(bridge: str) -> tuple[str, str]:
    """What carries the VLAN of this bridge, as the script is told it, and that VLAN."""
    stem, _, vlan = bridge.rpartition("-")
    return (f"{stem}*" if len(stem) == STEM_LENGTH else stem), vlan
