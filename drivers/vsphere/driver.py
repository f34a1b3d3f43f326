"""ESXi hosts behind a vCenter: `VMware` on the wire. Hosts of one vCenter share one login."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from weakref import WeakValueDictionary

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Capabilities, Driver, HostSession
from drivers.contract.errors import Refused
from drivers.vsphere import address as addresses
from drivers.vsphere.address import EVERY, Place
from drivers.vsphere.client import DENIED_S, Denied
from drivers.vsphere.disks import FORMATS
from drivers.vsphere.line import Line
from drivers.vsphere.session import NO_HOOKS, VsphereSession
from drivers.vsphere.settings import Settings, read_settings

KIND = "VMware"
CANNOT = MappingProxyType(
    {
        "run_hook": NO_HOOKS,
        "tpm": "a TPM of vSphere's needs a key provider, which this driver does not set up",
        "cpu_model": "a cluster's EVC mode says what processor its guests see",
        "cpu_pinning": "vCenter spreads guests over cores by itself",
        "huge_pages": "ESXi chooses the size of pages by itself",
        "passthrough": "devices of hosts are not given to guests here yet",
    }
)

Who = tuple[str, str, str, str]


class VsphereDriver:
    """Connects to hosts; a vCenter is logged in to once for all of them, while one is in use."""

    kind = KIND
    capabilities = Capabilities(
        live_migration=True,
        storage_migration=True,
        disk_hot_plug=True,
        nic_hot_plug=True,
        guest_growth=True,
        adoption=True,
        guest_snapshots=True,
        disk_snapshots_alive=True,
        snapshots=True,
        live_disk_move=True,
        appliances=True,
        image_formats=FORMATS,
        pool_types={"vmfs": "VMFS", "nfs": "NetworkFilesystem", "vsan": "PreSetup"},
        disk_unit_bytes=1024,
        cannot=CANNOT,
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lines: dict[Who, Line] = {}
        self._opening: WeakValueDictionary[Who, asyncio.Lock] = WeakValueDictionary()
        self._denied: dict[Who, tuple[float, str]] = {}

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        place = addresses.read(address.url)
        line = await self._line(place, address)
        try:
            if place.cluster == EVERY:
                return await _everywhere(line, place, address)
            names = sorted(await line.inventory.hosts(place))
            if place.esx:
                await line.inventory.host(place)
                names = [place.esx]
        finally:
            await self._let_go(place, address, line)
        if not names:
            raise Refused(f"cluster {place.cluster} of {place.server} has no host yet")
        return tuple(
            HostAddress(
                url=place.url_of(name), username=address.username, password=address.password
            )
            for name in names
        )

    async def connect(self, address: HostAddress) -> HostSession:
        place = addresses.read(address.url)
        if not place.esx or place.cluster == EVERY:
            raise Refused(f"{address.url} names a cluster and no host of it: {addresses.FORM}")
        line = await self._line(place, address)
        try:
            esx = await line.inventory.host(place)
        except BaseException:
            await self._let_go(place, address, line)
            raise
        return VsphereSession(line, place, esx, let_go=lambda: self._let_go(place, address, line))

    async def _line(self, place: Place, address: HostAddress) -> Line:
        who = _who(place, address)
        opening = self._opening.setdefault(who, asyncio.Lock())
        async with opening:
            line = self._lines.get(who)
            if line is None:
                line = self._lines[who] = await self._opened(who, place, address)
            line.users += 1
            return line

    async def _opened(self, who: Who, place: Place, address: HostAddress) -> Line:
        """Who was not let in a moment ago is not tried again yet, whichever host is asked for."""
        now_s = asyncio.get_running_loop().time()
        self._denied = {one: kept for one, kept in self._denied.items() if now_s < kept[0]}
        if who in self._denied:
            raise Denied(self._denied[who][1])
        line = Line(place, address.username, address.password, self._settings)
        try:
            await line.open()
        except BaseException as error:
            if isinstance(error, Denied):
                self._denied[who] = (now_s + DENIED_S, str(error))
            await line.close()
            raise
        return line

    async def _let_go(self, place: Place, address: HostAddress, line: Line) -> None:
        who = _who(place, address)
        line.users -= 1
        if line.users <= 0 and self._lines.get(who) is line:
            del self._lines[who]
            await line.close()

    async def close(self) -> None:
        while self._lines:
            _, line = self._lines.popitem()
            await line.close()


async def _everywhere(line: Line, place: Place, address: HostAddress) -> tuple[HostAddress, ...]:
    """The hosts of all clusters of a datacenter; one may have none yet."""
    found = []
    for cluster in sorted(await line.inventory.clusters(place)):
        there = replace(place, cluster=cluster, esx="")
        found += [there.url_of(name) for name in sorted(await line.inventory.hosts(there))]
    return tuple(
        HostAddress(url=url, username=address.username, password=address.password) for url in found
    )


def _who(place: Place, address: HostAddress) -> Who:
    return (place.server, place.trust.pin, address.username, address.password)


def make_all(settings: Mapping[str, Any]) -> tuple[Driver, ...]:
    """The driver, set up as `drivers.vsphere.settings.Settings` describes."""
    return (VsphereDriver(read_settings(settings)),)
