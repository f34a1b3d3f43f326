"""Hosts that run XenServer or XCP-ng: `XenServer` on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Capabilities, Driver, HostSession
from drivers.contract.errors import DriverError, Refused
from drivers.xapi import KINDS
from drivers.xapi.address import Place, read_address
from drivers.xapi.client import Line
from drivers.xapi.errors import code_of
from drivers.xapi.repositories import POOL_TYPES
from drivers.xapi.session import CANNOT, XapiSession
from drivers.xapi.transfer import AS_IT_IS

LineKey = tuple[str, int, str, str, str]


class XapiDriver:
    """Connects to hosts. The hosts of one pool share a line to its master."""

    kind = KINDS[0]
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
        image_formats=tuple(AS_IT_IS),
        pool_types=MappingProxyType(POOL_TYPES),
        cannot=MappingProxyType(CANNOT),
    )

    def __init__(self, scratch: str = "") -> None:
        self._scratch = scratch
        self._lines: dict[LineKey, Line] = {}
        self._sessions: set[XapiSession] = set()

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        """Every host of the pool, by its uuid below the pool's address."""
        place = read_address(address)
        line = await self._line(place, address)
        try:
            if place.host_uuid:
                await _host(line, place)
                return (address,)
            records = (await line.call("host.get_all_records")).values()
            hosts = sorted(records, key=lambda one: str(one["name_label"]))
            return tuple(
                HostAddress(
                    url=place.url_of(one["uuid"]),
                    username=address.username,
                    password=address.password,
                )
                for one in hosts
            )
        finally:
            await self._let_go(line)

    async def connect(self, address: HostAddress) -> HostSession:
        return await self.session_of(address)

    async def session_of(self, address: HostAddress) -> XapiSession:
        """The same, as this driver knows it: a migration's target."""
        place = read_address(address)
        line = await self._line(place, address)
        try:
            uuid = await _host(line, place)
        except DriverError:
            await self._let_go(line)
            raise
        session = XapiSession(line, uuid, driver=self, scratch=self._scratch)
        self._sessions.add(session)
        return session

    async def forget(self, session: XapiSession) -> None:
        """A session was closed; the line goes with its last one."""
        if session in self._sessions:
            self._sessions.discard(session)
            await self._let_go(session.line)

    async def close(self) -> None:
        while self._sessions:
            await next(iter(self._sessions)).close()

    async def _line(self, place: Place, address: HostAddress) -> Line:
        key = _key(place, address)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(place, address.username or "root", address.password)
        line.users += 1
        try:
            async with line.turn("open"):
                await line.open()
        except BaseException:
            await self._let_go(line)
            raise
        return line

    async def _let_go(self, line: Line) -> None:
        line.users -= 1
        if line.users <= 0:
            self._lines = {key: one for key, one in self._lines.items() if one is not line}
            await line.close()


def _key(place: Place, address: HostAddress) -> LineKey:
    trust = place.trust.pin
    return (place.host, place.port, trust, address.username or "root", address.password)


async def _host(line: Line, place: Place) -> str:
    """The uuid of the host that a URL means. Refused: it is none of the pool's."""
    if place.host_uuid:
        try:
            await line.host(place.host_uuid)
        except DriverError as error:
            if code_of(error) != "UUID_INVALID":
                raise
            raise Refused(f"the pool at {place} has no host {place.host_uuid}") from error
        return place.host_uuid
    records = (await line.call("host.get_all_records")).values()
    if len(records) == 1:
        return str(next(iter(records))["uuid"])
    names = ", ".join(sorted(str(one["name_label"]) for one in records))
    raise Refused(f"{place} is a pool of {len(records)} hosts ({names}): name one by its uuid")


def make_all(settings: Mapping[str, str]) -> tuple[Driver, ...]:
    """The driver; `state` is where it may put files that are on their way."""
    scratch = ""
    if settings.get("state"):
        folder = Path(settings["state"])
        folder.mkdir(parents=True, exist_ok=True)
        scratch = str(folder)
    return (XapiDriver(scratch),)
