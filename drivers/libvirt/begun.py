"""Whether libvirt knows the first process of a container, of which it hears once, after the start.

At times it misses that word. Then nothing can be plugged into the container, nor can it be asked to
shut down, for as long as it runs.
"""

from __future__ import annotations

from uuid import UUID

import libvirt

from drivers.libvirt.client import Client, Connection
from drivers.libvirt.guests import active

LOOKS, LOOK_S = 100, 0.1
FIRST, NOTHING = 1, libvirt.VIR_DOMAIN_PROCESS_SIGNAL_NOP
UNKNOWN = "Init pid is not yet available"


async def begun(client: Client, guest_id: UUID) -> bool:
    """Wait until libvirt knows it; False if it does not after `LOOKS` looks."""
    doing = f"look for the first process of guest {guest_id}"
    with client.watch(guest_id) as watch:
        for _ in range(LOOKS):
            if await client.read(lambda connection: is_known(connection, guest_id), doing=doing):
                return True
            await watch.news(at_most_s=LOOK_S)
    return False


def is_known(connection: Connection, guest_id: UUID) -> bool:
    """Whether it can be sent a signal, one that does nothing; True if there is nothing to know."""
    domain = active(connection, guest_id)
    if domain is None:
        return True
    try:
        domain.sendProcessSignal(FIRST, NOTHING, 0)
    except libvirt.libvirtError as error:
        return UNKNOWN not in str(error)
    return True
