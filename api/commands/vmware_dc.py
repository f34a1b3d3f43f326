"""Datacentres of vCenters: where the ESXi hosts of a zone come from, and who to be there.

A zone has one at most. With it addHost needs no name and password, and refuses hosts of another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from api.declare import Bound, Caller, Names, Page, Success, command
from api.errors import InvalidValue, ParamError, missing
from api.lists import cut
from api.views.unmanaged_instance import UnmanagedInstanceView
from api.views.vmware_dc import VmwareDcView
from engine.intents.host import ChangeSignIn, SignIn, UpdateHost
from engine.intents.record import CreateRecord, Together, UpdateRecord
from engine.intents.vmware_dc import RemoveVmwareDc
from projections.host import Host, hosts
from projections.vmware_dc import VmwareDc, vmware_dcs
from projections.zone import zones

KIND, VMWARE = "vmware_dc", "VMware"
PIN = "?pin="
# A name of labels, or an address; with a port perhaps.
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST = re.compile(rf"(?=.{{1,253}}$)({LABEL}(\.{LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?")
# What stands for every cluster of a datacentre in a URL.
EVERY = "*"
Zone = Annotated[UUID, "the zone", Names("zone", right="operate")]


@dataclass(frozen=True, slots=True)
class Place:
    """A datacentre, and who to be there."""

    vcenter: str
    pin: str
    name: str
    username: str = ""
    password: str = ""

    @property
    def url(self) -> str:
        """Every host of every cluster of it."""
        return f"vsphere://{self.vcenter}/{quote(self.name, safe='')}/{EVERY}{self.pinned}"

    @property
    def pinned(self) -> str:
        return f"{PIN}{self.pin}" if self.pin else ""


def read_vcenter(text: str) -> tuple[str, str]:
    """The vCenter's name or address, and the pin of its certificate if one is given."""
    plain, _, pin = text.removeprefix("https://").partition(PIN)
    plain = plain.strip().rstrip("/")
    try:
        parts = urlsplit(f"vsphere://{plain}")
        wrong = parts.port == 0 or parts.path or not HOST.fullmatch(parts.netloc)
    except ValueError:
        wrong = True
    if wrong or parts.query or parts.fragment:
        raise InvalidValue(
            f"vcenter {text!r} is no name of a vCenter: give vcenter.example, perhaps with :8443 "
            "and ?pin=sha256:... behind it for a certificate that nobody vouches for"
        )
    return plain.lower(), pin


def dc_of(caller: Caller, zone_id: UUID) -> VmwareDc | None:
    return next(iter(caller.cloud[vmware_dcs].by("zone_id", zone_id)), None)


async def place_of(caller: Caller, row: VmwareDc) -> Place:
    """Where it is, with its password opened."""
    try:
        password = await caller.secret(row.password_ref) if row.password_ref else ""
    except KeyError:
        raise InvalidValue(
            f"the password of datacentre {row.name} was shredded: give it by updateVmwareDc"
        ) from None
    return Place(row.vcenter, row.pin, row.name, row.username, password)


async def sign_in(caller: Caller, zone_id: UUID, url: str, ask: Any) -> tuple[str, str, str]:
    """The URL, name and password by which an ESXi host is added, as its zone's datacentre has them.

    A host of another datacentre is refused, since a zone has one.
    """
    given = url, ask.username or "", ask.password or ""
    if ask.hypervisor.lower() != VMWARE.lower():
        return given
    plain, _, pin = url.partition(PIN)
    parts = urlsplit(plain)
    names = [unquote(one) for one in parts.path.split("/") if one]
    if names[1:2] == [EVERY]:
        raise InvalidValue(f"{url} names every cluster: guests move within one, so name one")
    row = dc_of(caller, zone_id)
    if row is None:
        return given
    if parts.netloc.lower() != row.vcenter or names[:1] != [row.name]:
        raise InvalidValue(
            f"the zone's datacentre is {row.name} of vCenter {row.vcenter}: give a URL like "
            f"vsphere://{row.vcenter}/{quote(row.name, safe='')}/<cluster>, or see updateVmwareDc"
        )
    place = await place_of(caller, row)
    url = plain + (f"{PIN}{pin}" if pin else place.pinned)
    if ask.username and ask.username != place.username:
        return url, ask.username, ask.password or ""
    return url, place.username, ask.password or place.password


async def seen(caller: Caller, place: Place) -> None:
    """Reach the vCenter and look for the datacentre, so that a wrong word is refused now."""
    await caller.engine.discover(VMWARE, place.url, place.username, place.password)


@command(
    "addVmwareDc", returns=VmwareDcView, key="vmwaredc", allow="A", since="4.2.0",
    action="ZONE.EDIT",
)  # fmt: skip
class AddVmwareDc:
    """Say which datacentre of a vCenter the ESXi hosts of a zone come from.

    It is reached first: wrong words and certificates that nobody vouches for are refused.
    """

    zone_id: Zone
    name: Annotated[str, "what the vCenter calls the datacentre"]
    vcenter: Annotated[str, "the vCenter, perhaps with :port and ?pin=sha256:..."]
    username: Annotated[str | None, "who to be there"] = None
    password: Annotated[str | None, "the password of that user; it is sealed"] = None

    async def run(self, caller: Caller) -> VmwareDc:
        if (there := dc_of(caller, self.zone_id)) is not None:
            zone = caller.cloud[zones][self.zone_id]
            raise InvalidValue(
                f"zone {zone.name} has datacentre {there.name} of {there.vcenter} already: "
                "see updateVmwareDc, or remove it first"
            )
        vcenter, pin = read_vcenter(self.vcenter)
        place = Place(vcenter, pin, self.name, self.username or "", self.password or "")
        await seen(caller, place)
        row_id = caller.new_id()
        ref = await caller.seal(place.password) if place.password else ""
        fields = {"zone_id": self.zone_id, "name": self.name, "vcenter": vcenter, "pin": pin}
        fields |= {"username": place.username, "password_ref": ref}
        try:
            await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
        except BaseException:
            if ref:
                await caller.shred(ref)
            raise
        return caller.cloud[vmware_dcs][row_id]


@command(
    "updateVmwareDc", returns=VmwareDcView, key="vmwaredc", allow="A", since="4.12.0",
    action="ZONE.EDIT",
)  # fmt: skip
class UpdateVmwareDc:
    """Change where a zone's datacentre is, or who to be there; it is reached first.

    The hosts that come from it follow, unless isrecursive is false.
    """

    zone_id: Zone
    name: Annotated[str | None, "what the vCenter calls the datacentre now"] = None
    vcenter: Annotated[str | None, "the vCenter, perhaps with :port and ?pin=sha256:..."] = None
    username: Annotated[str | None, "who to be there"] = None
    password: Annotated[str | None, "the password of that user; it is sealed"] = None
    is_recursive: Annotated[bool | None, "whether its hosts follow; true if omitted"] = None

    async def run(self, caller: Caller) -> VmwareDc:
        row = _needed(caller, self.zone_id)
        now = await place_of(caller, row)
        vcenter, pin = read_vcenter(self.vcenter) if self.vcenter else (row.vcenter, row.pin)
        place = Place(
            vcenter,
            pin,
            self.name or row.name,
            now.username if self.username is None else self.username,
            now.password if self.password is None else self.password,
        )
        await seen(caller, place)
        mine = [one for one in caller.cloud[hosts].by("zone_id", row.zone_id) if _is_of(one, now)]
        follow = [] if self.is_recursive is False else mine
        if not follow and mine and (place.vcenter, place.name) != (now.vcenter, now.name):
            raise InvalidValue(
                f"host {mine[0].name} comes from datacentre {row.name} of {row.vcenter}: let the "
                "hosts follow (isrecursive=true), or remove them first"
            )
        await self._change(caller, row, place, follow)
        if follow and (place.username, place.password) != (now.username, now.password):
            signs = [await _signs(caller, caller.cloud[hosts][one.id], place) for one in follow]
            await caller.perform(ChangeSignIn(hosts=signs))
        return caller.cloud[vmware_dcs][row.id]

    async def _change(
        self, caller: Caller, row: VmwareDc, place: Place, follow: list[Host]
    ) -> None:
        """The datacentre and the URLs of its hosts, in one commit."""
        fields = {"vcenter": place.vcenter, "pin": place.pin, "name": place.name}
        fields |= {"username": place.username}
        old = row.password_ref
        if self.password is not None:
            fields["password_ref"] = await caller.seal(self.password) if self.password else ""
        urls = [UpdateHost(id=one.id, url=_moved(one, place)) for one in follow]
        moved = [ask for ask, one in zip(urls, follow, strict=True) if ask.url != one.url]
        change = UpdateRecord(kind=KIND, id=row.id, fields=fields)
        await caller.decide(Together(asks=(change, *moved)))
        if self.password is not None and old:
            await caller.shred(old)


@command("removeVmwareDc", returns=Success, allow="A", since="4.2.0", action="ZONE.EDIT")
class RemoveVmwareDcCommand:
    """Forget the datacentre of a zone, once no host comes from it."""

    zone_id: Zone

    async def run(self, caller: Caller) -> None:
        await caller.perform(RemoveVmwareDc(id=_needed(caller, self.zone_id).id))


@command("listVmwareDcs", returns=VmwareDcView, key="VMwareDC", shape="list", allow="A")
class ListVmwareDcs:
    """List the datacentre of a zone."""

    zone_id: Annotated[UUID, "the zone", Names("zone", right="see")]
    keyword: Annotated[str | None, "text that its name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        word = (self.keyword or "").casefold()
        rows = caller.cloud[vmware_dcs].by("zone_id", self.zone_id)
        found = [one for one in rows if word in one.name.casefold()]
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@command(
    "listVmwareDcVms", returns=UnmanagedInstanceView, key="unmanagedinstance", shape="list",
    allow="A", since="4.18.1",
)  # fmt: skip
class ListVmwareDcVms:
    """List the machines in a datacentre that no controller made, of hosts that are here or not."""

    existing_vcenter_id: Annotated[
        UUID | None, "a datacentre that was added", Names(KIND, right="operate")
    ] = None
    vcenter: Annotated[str | None, "any other vCenter, perhaps with ?pin=sha256:..."] = None
    datacenter_name: Annotated[str | None, "the datacentre there"] = None
    username: Annotated[str | None, "who to be there"] = None
    password: Annotated[str | None, "the password of that user; it is not kept"] = None
    host_name: Annotated[str | None, "on the host of this name only"] = None
    instance_name: Annotated[str | None, "the one of this name"] = None
    keyword: Annotated[str | None, "text that its name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        if caller.cloud is not caller.engine.cloud:
            raise ParamError("what hosts run is seen now, and not of the past: leave asof out")
        place, word = await self._place(caller), (self.keyword or "").casefold()
        found = [
            one
            for one in await caller.engine.strangers_at(
                VMWARE, place.url, place.username, place.password
            )
            if self.instance_name in (None, one.name)
            and self.host_name in (None, one.host_name)
            and word in one.name.casefold()
        ]
        return Page(len(found), cut(found, self.page, self.page_size, caller))

    async def _place(self, caller: Caller) -> Place:
        given = (self.vcenter, self.datacenter_name, self.username, self.password)
        if self.existing_vcenter_id is not None:
            if any(given):
                raise InvalidValue(
                    "existingvcenterid excludes vcenter, datacentername, username and password"
                )
            return await place_of(caller, caller.cloud[vmware_dcs][self.existing_vcenter_id])
        for name, value in zip(
            ("vcenter", "datacentername", "username", "password"), given, strict=True
        ):
            if not value:
                raise missing("listVmwareDcVms", name)
        vcenter, pin = read_vcenter(self.vcenter or "")
        name = self.datacenter_name or ""
        return Place(vcenter, pin, name, self.username or "", self.password or "")


def _needed(caller: Caller, zone_id: UUID) -> VmwareDc:
    row = dc_of(caller, zone_id)
    if row is None:
        zone = caller.cloud[zones][zone_id]
        raise InvalidValue(f"zone {zone.name} has no datacentre of a vCenter: see addVmwareDc")
    return row


def _is_of(host: Host, place: Place) -> bool:
    parts = urlsplit(host.url)
    first = unquote(parts.path.lstrip("/").split("/")[0])
    return (parts.scheme, parts.netloc.lower(), first) == ("vsphere", place.vcenter, place.name)


def _moved(host: Host, place: Place) -> str:
    """A host's URL, in the datacentre as it is called now."""
    plain = host.url.partition(PIN)[0]
    rest = urlsplit(plain).path.lstrip("/").split("/")[1:]
    path = "/".join((quote(place.name, safe=""), *rest))
    return f"vsphere://{place.vcenter}/{path}{place.pinned}"


async def _signs(caller: Caller, host: Host, place: Place) -> SignIn:
    return SignIn(
        host_id=host.id,
        username=place.username,
        password_ref=await caller.seal(place.password),
        old_username=host.username,
        old_password_ref=host.password_ref,
    )
