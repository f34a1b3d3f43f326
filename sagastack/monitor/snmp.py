"""Spells SNMPv2c traps and sends them by UDP. What they mean stands in `deploy/SAGASTACK-MIB.txt`.

A trap is sent once and nobody answers: one that is lost on the way is lost. The encoding is
pysnmp's; sending is a socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pysnmp.proto import api

from sagastack.settings import BadSetting

log_ = logging.getLogger("sagastack.traps")

# 32473 is the number that IANA keeps for documentation (RFC 5612): who has a number of their own
# says so by a setting, and puts it into the MIB file.
EXAMPLE_OID = "1.3.6.1.4.1.32473.1"
PORT, COMMUNITY = 162, "public"
SYS_UPTIME, SNMP_TRAP_OID = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"
# What SnmpAdminString holds; all of them together surely fit a datagram.
TEXT_BYTES = 255
V2C: Any = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]


@dataclass(frozen=True, slots=True)
class Receiver:
    host: str
    port: int = PORT
    community: str = COMMUNITY

    def __str__(self) -> str:
        """Without the community, which is a kind of password."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Trap:
    """A notification by its number in the MIB, with its objects by theirs."""

    number: int
    objects: Sequence[tuple[int, str | int]] = field(default_factory=tuple)


def receivers(text: str) -> list[Receiver]:
    """`community@host:port, host, [::1]:1162, ...`: port 162 and `public` where none is said."""
    return [_receiver(one.strip()) for one in text.split(",") if one.strip()]


def _receiver(text: str) -> Receiver:
    community, _, place = text.rpartition("@")
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
    else:
        host, colon, port = place.partition(":")
        rest = colon + port
    number = rest.removeprefix(":") or str(PORT)
    if not host or not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
        raise BadSetting(
            f"SAGASTACK_SNMP: {place} is no receiver of traps: give them as "
            "community@host:port, joined by commas"
        )
    return Receiver(host, int(number), community or COMMUNITY)


def checked_oid(text: str) -> str:
    """Below which object identifier the MIB lies."""
    parts = text.strip().lstrip(".").split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise BadSetting(f"SAGASTACK_SNMP_OID={text} is no object identifier, as {EXAMPLE_OID} is")
    return ".".join(parts)


def encode(trap: Trap, *, community: str, request_id: int, uptime_cs: int, oid: str) -> bytes:
    """The datagram. Notifications lie below `oid`.0, their objects below `oid`.1 (SMIv2)."""
    pdu = V2C.TrapPDU()
    V2C.apiTrapPDU.set_defaults(pdu)
    V2C.apiTrapPDU.set_request_id(pdu, request_id % 2**31)
    told = [
        (V2C.ObjectIdentifier(SYS_UPTIME), V2C.TimeTicks(uptime_cs % 2**32)),
        (V2C.ObjectIdentifier(SNMP_TRAP_OID), V2C.ObjectIdentifier(f"{oid}.0.{trap.number}")),
    ]
    for number, value in trap.objects:
        spelled = V2C.Integer(value) if isinstance(value, int) else V2C.OctetString(_short(value))
        told.append((V2C.ObjectIdentifier(f"{oid}.1.{number}.0"), spelled))
    V2C.apiTrapPDU.set_varbinds(pdu, told)
    message = V2C.Message()
    V2C.apiMessage.set_defaults(message)
    V2C.apiMessage.set_community(message, community.encode())
    V2C.apiMessage.set_pdu(message, pdu)
    return _encoded(message)


def _encoded(message: Any) -> bytes:
    from pyasn1.codec.ber import encoder

    return bytes(encoder.encode(message))


def _short(text: str) -> bytes:
    """At most so many bytes of UTF-8, cut between characters."""
    return text.encode(errors="replace")[:TEXT_BYTES].decode(errors="ignore").encode()


async def send(datagram: bytes, receiver: Receiver) -> bool:
    """Whether it went on its way; that it arrived is known to nobody."""
    loop = asyncio.get_running_loop()
    place = (receiver.host, receiver.port)
    try:
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=place
        )
    except OSError as error:
        log_.warning("no trap can be sent to %s: %s", receiver, error)
        return False
    try:
        transport.sendto(datagram)
    finally:
        transport.close()
    return True
