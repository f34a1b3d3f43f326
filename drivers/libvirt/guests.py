"""The life of a guest: transient domains, so that a guest which stopped leaves nothing behind.

Each function is one verb of the contract against one connection. A domain is looked up by UUID
before and after every change: what is there decides, and not what an error seems to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.compute import GuestSpec, GuestStatus, Power
from drivers.contract.errors import Refused, Unavailable
from drivers.libvirt import adoption, errors
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.observe import Domain
from drivers.libvirt.translate import NAMESPACE

PRESS_AGAIN_S = 3.0
REBOOT_TAG = "reboot"


@contextmanager
def suppress_gone() -> Iterator[None]:
    """Let a guest vanish under our hands: that is an answer and not an error."""
    try:
        yield
    except libvirt.libvirtError as error:
        if not errors.is_gone(error):
            raise


def lookup(connection: Connection, guest_id: UUID) -> Any | None:
    """The domain of a guest, or None."""
    try:
        return connection.lookupByUUIDString(str(guest_id))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return adoption.adopted(connection, guest_id)
        raise


def active(connection: Connection, guest_id: UUID) -> Any | None:
    """The domain of a guest that runs, or None; a guest may vanish between two questions."""
    domain = lookup(connection, guest_id)
    with suppress_gone():
        if domain is not None and domain.isActive():
            return domain
    return None


def running(connection: Connection, guest_id: UUID, *, verb: str) -> Any:
    """The domain of a guest that runs, else `Refused`."""
    domain = active(connection, guest_id)
    if domain is None:
        raise Refused(f"guest {guest_id} does not run on {connection.getHostname()}: no {verb}")
    return domain


def observe(domain: Any) -> GuestStatus:
    return Domain.read(domain.XMLDesc(0)).status(domain.state()[0])


async def find(client: Client, guest_id: UUID) -> GuestStatus | None:
    return await client.read(
        lambda connection: _find(connection, guest_id), doing=f"look for guest {guest_id}"
    )


async def list_all(client: Client) -> list[GuestStatus]:
    return await client.read(_list_all, doing="list the guests")


def _find(connection: Connection, guest_id: UUID) -> GuestStatus | None:
    domain = lookup(connection, guest_id)
    if domain is not None:
        with suppress_gone():
            status = observe(domain)
            # One that was let go of bears the id still, and is nobody's.
            return status if status.guest_id == guest_id else None
    return None


def _list_all(connection: Connection) -> list[GuestStatus]:
    guests = []
    for domain in connection.listAllDomains():
        with suppress_gone():
            guests.append(observe(domain))
    return guests


async def start(client: Client, spec: GuestSpec, xml: str) -> GuestStatus:
    """Run the guest unless it runs already. What libvirt refuses, it has also cleaned up."""

    def work(connection: Connection) -> GuestStatus:
        with suppress_gone():
            there = lookup(connection, spec.guest_id)
            if there is not None and there.isActive():
                status = observe(there)
                if status.power is not Power.CRASHED:
                    return status
                _cut(there)
            elif there is not None and there.isPersistent():
                there.undefine()
        try:
            return observe(connection.createXML(xml, 0))
        except libvirt.libvirtError:
            if lookup(connection, spec.guest_id) is None:
                raise
            if (there := active(connection, spec.guest_id)) is not None:
                return observe(there)
            raise Unavailable(f"guest {spec.guest_id} is just being started") from None

    doing = f"start guest {spec.name} ({spec.guest_id})"
    return await client.change(work, about=spec.guest_id, doing=doing)


async def stop(
    client: Client,
    guest_id: UUID,
    *,
    grace_s: float,
    button: int = libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
) -> None:
    """Press the power button, again every few seconds, then cut the power."""
    with client.watch(guest_id) as watch, suppress(TimeoutError):
        async with asyncio.timeout(grace_s):
            while grace_s > 0 and await client.change(
                lambda connection: press(connection, guest_id, button),
                about=guest_id,
                doing=f"press the power button of guest {guest_id}",
            ):
                await watch.news(at_most_s=PRESS_AGAIN_S)
    await cut(client, guest_id)


async def cut(client: Client, guest_id: UUID) -> None:
    """Leave no power and no definition; gone already is well."""

    def work(connection: Connection) -> None:
        domain = lookup(connection, guest_id)
        if domain is not None:
            _cut(domain)
        if active(connection, guest_id) is not None:
            raise Unavailable(f"guest {guest_id} still runs after its power was cut")

    await client.change(work, about=guest_id, doing=f"cut the power of guest {guest_id}")


def press(connection: Connection, guest_id: UUID, button: int) -> bool:
    """Whether there is still a guest to wait for."""
    domain = active(connection, guest_id)
    if domain is None:
        return False
    with suppress_gone():
        if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
            domain.resume()
        domain.shutdownFlags(button)
        return True
    return lookup(connection, guest_id) is not None


def _cut(domain: Any) -> None:
    with suppress_gone():
        domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_DEFAULT)
    with suppress_gone():  # a transient domain is gone by now; only a stranger's hand defines one
        domain.undefine()


async def reboot(
    client: Client, guest_id: UUID, *, force: bool, patience_s: float, key: UUID
) -> None:
    """Ask the guest to start again, and reset it if it does not; once for each key.

    The key is written into the guest's metadata after the fact, so a retry knows that it is one.
    """
    with client.watch(guest_id) as watch:
        doing = f"reboot guest {guest_id}"
        if not force:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    while "reboot" not in watch.heard:
                        asked = await client.change(
                            lambda connection: _ask_reboot(connection, guest_id, key),
                            about=guest_id,
                            doing=doing,
                        )
                        if not asked:
                            return
                        await watch.news(at_most_s=PRESS_AGAIN_S)
        await client.change(
            lambda connection: _reset(connection, guest_id, key, skip="reboot" in watch.heard),
            about=guest_id,
            doing=doing,
        )


def _ask_reboot(connection: Connection, guest_id: UUID, key: UUID) -> bool:
    domain = running(connection, guest_id, verb="reboot")
    if rebooted_by(domain) == str(key):
        return False
    domain.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
    return True


def _reset(connection: Connection, guest_id: UUID, key: UUID, *, skip: bool) -> None:
    """Reset the guest, unless it has rebooted by itself, and note the key."""
    domain = running(connection, guest_id, verb="reboot")
    if rebooted_by(domain) == str(key):
        return
    if not skip:
        domain.reset(0)
    note_reboot(domain, key)


def note_reboot(domain: Any, key: UUID) -> None:
    note = ET.tostring(ET.Element(REBOOT_TAG, key=str(key)), encoding="unicode")
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        note,
        "sagastack-reboot",
        f"{NAMESPACE}:{REBOOT_TAG}",
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )


def rebooted_by(domain: Any) -> str:
    try:
        note = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, f"{NAMESPACE}:{REBOOT_TAG}", 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            return ""
        raise
    return ET.fromstring(note).get("key", "")
