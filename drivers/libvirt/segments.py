"""A VLAN on a host of plain Linux bridges: one bridge for each, so that guests are kept apart.

The bridge carries nothing to other hosts: guests of one network reach each other on one host, and
guests of two networks never do. It is made when a guest first needs it; a bridge that no guest is
on any more costs nothing and is found again.
"""

from __future__ import annotations

from collections.abc import Iterable

from drivers.contract.compute import NicSpec
from drivers.contract.errors import Refused
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.shell import Shell

# An interface's name has at most 15 characters; "-4094" are the last five of them.
STEM_LENGTH = 10
MAKE = (
    'for one; do ip link show "$one" >/dev/null 2>&1 || ip link add "$one" type bridge || exit;'
    ' ip link set "$one" up || exit; done'
)


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
    wanted = sorted({bridge_of(nic, host) for nic in nics if nic.vlan is not None})
    if not wanted:
        return
    done = await shell.run("sh", "-c", MAKE, "sh", *wanted)
    if done.code:
        raise Refused(f"the host makes no bridge {', '.join(wanted)}: {done.complaint}")
