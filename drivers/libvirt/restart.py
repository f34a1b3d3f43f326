"""A guest started again where its hypervisor has no reset: its domain ends and begins anew.

The domain is defined before its power is cut, and undefined once it runs again, so that it is
found half restarted after a crash of ours, and the same call then goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import libvirt

from drivers.contract.errors import Refused
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.guests import (
    PRESS_AGAIN_S,
    active,
    lookup,
    note_reboot,
    press,
    rebooted_by,
    suppress_gone,
)


async def restart(
    client: Client, guest_id: UUID, *, patience_s: float, button: int, key: UUID
) -> None:
    """Ask the guest to end, end it if it does not, and start it: once for each key."""
    doing = f"reboot guest {guest_id}"
    if await client.change(lambda c: _keep(c, guest_id, key), about=guest_id, doing=doing):
        return
    with client.watch(guest_id) as watch, suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while patience_s > 0 and await client.change(
                lambda connection: _press(connection, guest_id, button),
                about=guest_id,
                doing=doing,
            ):
                await watch.news(at_most_s=PRESS_AGAIN_S)
    await client.change(lambda c: _again(c, guest_id, key), about=guest_id, doing=doing)


def _keep(connection: Connection, guest_id: UUID, key: UUID) -> bool:
    """Define what runs, so that it outlives its end; whether this key has restarted it already."""
    domain = lookup(connection, guest_id)
    if domain is None or not (domain.isActive() or domain.isPersistent()):
        raise Refused(f"guest {guest_id} does not run on {connection.getHostname()}: no reboot")
    if domain.isActive():
        if rebooted_by(domain) == str(key):
            return True
        if not domain.isPersistent():
            flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
            connection.defineXML(domain.XMLDesc(flags))
    return False


def _press(connection: Connection, guest_id: UUID, button: int) -> bool:
    return active(connection, guest_id) is not None and press(connection, guest_id, button)


def _again(connection: Connection, guest_id: UUID, key: UUID) -> None:
    domain: Any = lookup(connection, guest_id)
    if domain is None:
        raise Refused(f"guest {guest_id} is gone: no reboot")
    with suppress_gone():
        domain.destroy()
    domain.create()
    note_reboot(domain, key)
    domain.undefine()
