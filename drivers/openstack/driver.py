"""Regions of OpenStack: `OpenStack` on the wire, each compute host of theirs a host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Driver, HostSession
from drivers.openstack import address, hosts
from drivers.openstack.address import Region
from drivers.openstack.client import Client
from drivers.openstack.cloud import Cloud
from drivers.openstack.errors import Denied
from drivers.openstack.kind import CAPABILITIES, KIND
from drivers.openstack.session import OpenStackSession
from drivers.openstack.settings import Settings, read_settings

Whose = tuple[Region, str]


class OpenStackDriver:
    """Sessions of one region and user share a client; the last to close takes it along."""

    kind = KIND
    capabilities = CAPABILITIES

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clouds: dict[Whose, Cloud] = {}
        self._users: Counter[Whose] = Counter()
        self._sessions: dict[OpenStackSession, Whose] = {}

    async def discover(self, address_: HostAddress) -> tuple[HostAddress, ...]:
        """The compute hosts; the region itself where its user may not see them."""
        region = address.read(address_)
        client = Client(region.whole, address_.password, self._settings)
        try:
            if region.host:
                await hosts.hypervisor(client, region.host)
                found = [region.host]
            else:
                found = [one["service"]["host"] for one in await hosts.hypervisors(client)]
        except Denied:
            found = []
        finally:
            await client.close()
        return tuple(
            HostAddress(
                url=region.url(host), username=address_.username, password=address_.password
            )
            for host in dict.fromkeys(found or [""])
        )

    async def connect(self, address_: HostAddress) -> HostSession:
        region = address.read(address_)
        whose = (region.whole, address_.password)
        self._users[whose] += 1
        cloud = self._clouds.get(whose)
        if cloud is None:
            cloud = self._clouds[whose] = Cloud(Client(*whose, self._settings))
        try:
            version = await cloud.client.version()
            if region.host:
                await hosts.hypervisor(cloud.client, region.host)
        except BaseException:
            await self._leave(whose)
            raise
        session = OpenStackSession(region, cloud, version, forget=self._forget)
        self._sessions[session] = whose
        return session

    async def close(self) -> None:
        for session in list(self._sessions):
            await self._forget(session)

    async def _forget(self, session: OpenStackSession) -> None:
        whose = self._sessions.pop(session, None)
        if whose is not None:
            await self._leave(whose)

    async def _leave(self, whose: Whose) -> None:
        self._users[whose] -= 1
        if not self._users[whose]:
            del self._users[whose]
            await self._clouds.pop(whose).close()


def make_all(settings: Mapping[str, Any]) -> tuple[Driver, ...]:
    """The driver, set up as `drivers.openstack.settings.Settings` describes."""
    return (OpenStackDriver(read_settings(settings)),)
