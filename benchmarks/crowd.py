"""A cloud that is full already: accounts with running guests, written straight into the log.

What a hundred thousand deploys would leave of records, without the deploys; so what is measured
on it is the reading of a large cloud, not the making of one.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from aggregates.record import RECORDS
from aggregates.vm import Nic, VmCreated, VmNicsSet, VmStarted
from aggregates.volume import VolumeCreated, VolumeReady
from benchmarks.cloud import NETWORK, OFFERING, POOL, ZONE, furnish, named
from engine.collector import settle
from engine.engine import Engine
from engine.genesis import BUILTIN_TEMPLATE, ROOT_DOMAIN, stable_id
from engine.log import Append, Log, Unit
from engine.log.seal import SEALS, read_seals
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

GIB = 1024**3
UNIT = 200


@asynccontextmanager
async def crowded(*, accounts: int, guests_each: int, hosts: int) -> AsyncIterator[Controller]:
    """A controller whose cloud is this full; nothing runs in it by the clock."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet = Settings(home=Path(folder), port=0, reconcile_s=3600, checkpoint_events=10**9)
        async with controller(quiet) as cloud:
            await furnish(cloud.engine, host_count=hosts)
            size = {"accounts": accounts, "guests_each": guests_each, "hosts": hosts}
            await crowd(cloud.engine, cloud.log, **size)
            await sealed(cloud)
            settle()
            yield cloud


async def sealed(cloud: Controller) -> None:
    """The crowd is sealed; otherwise that would go on beside what is measured."""
    path = cloud.settings.home / SEALS
    while not path.exists() or read_seals(path)[-1].last < cloud.cloud.position:  # noqa: ASYNC110
        await asyncio.sleep(1)


def account_id(number: int) -> UUID:
    return named(f"account {number}")


async def crowd(
    engine: Engine, log: Log, *, accounts: int, guests_each: int, hosts: int, first: int = 0
) -> None:
    """Accounts called `tenant-<n>`, from `first` on, with running guests `guest-<n>-<m>` each."""
    appends: list[Append] = []
    for number in range(first, accounts):
        fields = {
            "name": f"tenant-{number}",
            "domain_id": ROOT_DOMAIN,
            "role_id": stable_id("role", "User"),
            "role_type": "User",
        }
        made = RECORDS["account"].create(fields)
        appends.append(Append(account_id(number), 0, (made,)))
        for guest in range(guests_each):
            host = named(f"host{(number * guests_each + guest) % hosts}")
            appends += _guest(number, guest, host)
            if len(appends) >= UNIT:
                await log.append(Unit(tuple(appends), decided_at=engine.cloud.position))
                appends = []
    if appends:
        await log.append(Unit(tuple(appends), decided_at=engine.cloud.position))


def _guest(number: int, guest: int, host_id: UUID) -> list[Append]:
    name = f"guest-{number}-{guest}"
    vm_id, owner = named(f"vm {name}"), account_id(number)
    serial = number * 1000 + guest
    nic = Nic(
        id=named(f"nic {name}"),
        network_id=NETWORK,
        mac=(0x0253_0100_0000 + serial).to_bytes(6, "big").hex(":"),
        ip4=f"10.{1 + serial // 65536}.{serial // 256 % 256}.{serial % 256}",
        gateway="10.1.0.1",
        netmask="255.255.0.0",
        is_default=True,
    )
    created = VmCreated(
        name=name, display_name=name, account_id=owner, domain_id=ROOT_DOMAIN, user_id=None,
        zone_id=ZONE, template_id=BUILTIN_TEMPLATE, service_offering_id=OFFERING,
        hypervisor="Simulator", cpu_count=1, cpu_mhz=500, memory_mib=512,
        instance_name=f"i-{str(vm_id)[:8]}-VM", user_data="", key_pairs=[], host_tags=[],
        details={}, is_displayed=True, nics=[],
    )  # fmt: skip
    started = VmStarted(host_id=host_id, hold=named(f"hold {name}"))
    disk = VolumeCreated(
        name=f"ROOT-{name}", account_id=owner, domain_id=ROOT_DOMAIN, zone_id=ZONE, kind="ROOT",
        size_bytes=GIB, offering_id=None, template_id=BUILTIN_TEMPLATE, vm_id=vm_id, device=0,
        is_displayed=True,
    )  # fmt: skip
    ready = VolumeReady(
        pool_id=POOL, path=f"/pool/{name}", size_bytes=GIB, hold=named(f"space {name}")
    )
    return [
        Append(vm_id, 0, (created, VmNicsSet(nics=[nic]), started)),
        Append(named(f"root {name}"), 0, (disk, ready)),
    ]
