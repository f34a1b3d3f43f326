"""What simulated hosts and guests report of themselves: plausible, and a function of the time.

Nothing is counted anywhere. A guest has a load that the seed gives it for life, and each of its
counters is that load times its age, so counters only rise and two readers agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b
from uuid import UUID

from drivers.contract.compute import DiskStats, GuestStats, HostStats, Power
from drivers.sim.rows import SimGuest, SimHost

_MIB = 1024**2
_HOST_OWN_MIB = 2048
_NETWORK_BYTES_PER_S = 200_000
_DISK_BYTES_PER_S = 80_000
_DAY_S = 86_400
_BLOCK_BYTES = 4096


def load(seed: int, ident: str) -> float:
    """How busy a guest is, between 2 % and 62 % of its cores."""
    digest = blake2b(f"{seed}:{ident}".encode(), digest_size=4).digest()
    return 0.02 + 0.6 * int.from_bytes(digest, "big") / 2**32


def guest_stats(guest: SimGuest, *, seed: int, now_s: float) -> GuestStats:
    assert guest.guest_id is not None, "a stranger has no counters that anybody asks for"
    busy = load(seed, guest.ident)
    age_s = max(0.0, now_s - guest.started_at_s)
    read_bytes = int(age_s * busy * _DISK_BYTES_PER_S)
    own = [disk.volume_id for disk in guest.disks if not disk.is_cdrom]
    disks = [_disk_stats(volume_id, read_bytes // len(own)) for volume_id in own]
    return GuestStats(
        guest_id=guest.guest_id,
        cpu_time_ns=int(age_s * busy * guest.cpu_count * 1e9),
        memory_used_bytes=int(guest.memory_mib * _MIB * (0.25 + busy)),
        disk_read_bytes=read_bytes,
        disk_write_bytes=read_bytes // 2,
        network_read_bytes=int(age_s * busy * _NETWORK_BYTES_PER_S) * bool(guest.nics),
        network_write_bytes=int(age_s * busy * _NETWORK_BYTES_PER_S / 3) * bool(guest.nics),
        disks=tuple(disks),
    )


def _disk_stats(volume_id: UUID, read_bytes: int) -> DiskStats:
    """A disk's share of what its guest reads, which writes half of that, in blocks of 4 KiB."""
    written = read_bytes // 2
    return DiskStats(
        volume_id=volume_id,
        read_bytes=read_bytes,
        write_bytes=written,
        reads=read_bytes // _BLOCK_BYTES,
        writes=written // _BLOCK_BYTES,
    )


def host_stats(host: SimHost, guests: Iterable[SimGuest], *, seed: int, now_s: float) -> HostStats:
    """The sum of the guests, a little of the host's own, and a slow swell over the day."""
    running = [guest for guest in guests if guest.power is Power.RUNNING]
    swell = 1 + 0.2 * math.sin(2 * math.pi * now_s / _DAY_S)
    cores = sum(load(seed, guest.ident) * guest.cpu_count for guest in running) * swell
    ages_s = [max(0.0, now_s - guest.started_at_s) * load(seed, guest.ident) for guest in running]
    memory_mib = _HOST_OWN_MIB + sum(guest.memory_mib for guest in running)
    return HostStats(
        cpu_used_percent=round(min(100.0, 1.0 + 100 * cores / host.cpu_count), 2),
        memory_used_bytes=min(memory_mib, host.memory_mib) * _MIB,
        network_read_bytes=int(sum(ages_s) * _NETWORK_BYTES_PER_S),
        network_write_bytes=int(sum(ages_s) * _NETWORK_BYTES_PER_S / 3),
        uptime_s=int(now_s % (90 * _DAY_S)),
    )


def boot_transcript(guest: SimGuest) -> str:
    """What the serial line of the guest would have said while it booted."""
    lines = [
        f"[    0.000000] simulated kernel, {guest.cpu_count} CPU(s), {guest.memory_mib} MiB",
        *(f"[    0.500000] disk {disk.device}: {disk.path}" for disk in guest.disks),
        *(f"[    1.000000] nic {nic.mac} {nic.ip4 or 'dhcp'}" for nic in guest.nics),
        f"[    2.000000] {guest.name} is up",
        f"{guest.name} login: ",
    ]
    return "\n".join(lines)
