"""Routers of guest networks, each in a network namespace of the host with its wires to bridges.

A router is files in a folder of the host (`rules.nft`, `dnsmasq.conf`, `plan`; `cards`, and what
dnsmasq reads of these) and what was made of them. Both go with the host's memory, so one that
restarts has neither and is told again. Rules are loaded before a wire is up, all of them at once:
no packet passes between. The wires keep their hardware addresses wherever the router is, so
neighbours need not learn them anew.
"""

from __future__ import annotations

import asyncio
import io
import re
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from uuid import UUID, uuid4

from drivers.contract.compute import NicSpec
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.routing import GuestNet, LeaseChange, RouterSpec, RouterStatus, Segment
from drivers.kit import router_words
from drivers.kit.proxy_words import haproxy_conf, proxied
from drivers.libvirt import segments
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.router_scripts import LEASES, LIST, REMOVE, RUN
from drivers.libvirt.shell import Shell, brought

REFUSES, STALE = 3, 4
BRIDGE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


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
    async with brought(shell, content, _scratch()) as tar:
        done = await shell.run("sh", "-uc", RUN, "sh", folder, str(spec.router_id), tar)
    if done.code:
        wrong = Refused if done.code == REFUSES else Unavailable
        served = ", ".join(net.cidr for net in spec.nets)
        raise wrong(f"the router of {served} is not as it should be: {done.complaint}")


async def tell_leases(
    shell: Shell, router_id: UUID, change: LeaseChange, *, folder: str
) -> dict[UUID, str] | None:
    """None where the host's router is not at the mark; else what is left out of which cards."""
    content, unsaid = await asyncio.to_thread(_packed_leases, change)
    marks = (change.was or "any", change.now)
    async with brought(shell, content, _scratch()) as tar:
        done = await shell.run("sh", "-uc", LEASES, "sh", folder, str(router_id), *marks, tar)
    if done.code == STALE:
        return None
    if done.code:
        raise Unavailable(f"router {router_id} has not the leases that it should: {done.complaint}")
    by_tag = {router_words.tag_of(one.nic_id): one.nic_id for one in change.come}
    for tag, _, why in (line.partition(" ") for line in done.stdout.splitlines()):
        if tag in by_tag:
            unsaid[by_tag[tag]] = why
    return unsaid


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
        name, digest, mark, trouble = line.split(" ", 3)
        mark = "" if mark == "-" else mark
        yield RouterStatus(router_id=UUID(name), digest=digest, mark=mark, trouble=trouble)


def _scratch() -> str:
    return f"/tmp/sagastack-router-{uuid4().hex}.tar"


def _nic(one: Segment) -> NicSpec:
    return NicSpec(nic_id=UUID(int=0), mac="", bridge=one.bridge, vlan=one.vlan)


def _packed(spec: RouterSpec, bridges: list[str], folder: str) -> bytes:
    """What the router is made of, as a tar."""
    at = f"{folder}/{spec.router_id}"
    files = {
        "rules.nft": router_words.rules(spec),
        "dnsmasq.conf": router_words.dnsmasq_conf(spec, at),
        "haproxy.cfg": haproxy_conf(spec),
        "plan": plan(spec, bridges),
        "digest": spec.digest,
        "life": str(spec.life),
    }
    return _tar(files)


def _packed_leases(change: LeaseChange) -> tuple[bytes, dict[UUID, str]]:
    """The change as a tar, and what no lease can be told of."""
    cards = [router_words.card(one) for one in change.come]
    ids = (*change.gone, *(one.nic_id for one in change.come))
    files = {
        "come": "".join(f"{line}\n" for line, _ in cards),
        "gone": "".join(f"{router_words.tag_of(nic_id)}\n" for nic_id in ids),
    }
    told = zip(change.come, cards, strict=True)
    return _tar(files), {one.nic_id: why for one, (_, why) in told if why}


def _tar(files: Mapping[str, str]) -> bytes:
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
        "next_hop": router_words.next_hop(spec),
        "dnsmasq": "yes" if any(n.serves_dhcp or n.serves_dns for n in spec.nets) else "",
        "haproxy": "yes" if proxied(spec) else "",
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
