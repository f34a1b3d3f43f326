"""VirtualBMC for one libvirt domain, as a program: an IPMI 2.0 BMC by others than us.

    python -m tests.peers.baremetal.ipmi_bmc PORT USER PASSWORD DOMAIN LIBVIRT_URI

VirtualBMC has no serial over LAN; what carries it here is pyghmi's own, between its session and
the terminal that libvirt makes for the domain's serial port at each start.

pyghmi's server side says yes to any cipher suite that is proposed, and then speaks suite 3 whatever
was agreed. As an old BMC does, this one refuses the others, so that a client comes down to it.
"""

from __future__ import annotations

import sys
from typing import Any
from xml.etree import ElementTree

import libvirt
from pyghmi.ipmi.private.serversession import ServerSession
from virtualbmc import utils
from virtualbmc.exception import VirtualBMCError
from virtualbmc.vbmc import VirtualBMC

from tests.peers.baremetal.serial_line import SerialOverLan, Terminal

HMAC_SHA1 = 1
NO_SUCH_SUITE = 0x11

accept = ServerSession.create_open_session_response


def only_suite_3(self: Any, request: bytearray) -> bytearray:
    """IPMI 2.0, 13.17 and 13.18: the proposed authentication is in the 13th byte of the request."""
    if request[12] == HMAC_SHA1:
        return bytearray(accept(self, request))
    return bytearray((request[0], NO_SUCH_SUITE, 0, 0)) + bytearray(request[4:8])


class SerialBmc(SerialOverLan, VirtualBMC):  # type: ignore[misc]
    """VirtualBMC, and the domain's serial port."""

    def is_active(self) -> bool:
        return bool(self.get_power_state())

    def connected(self) -> Terminal | None:
        try:
            with utils.libvirt_open(readonly=True, **self._conn_args) as conn:
                domain = utils.get_libvirt_domain(conn, self.domain_name)
                shown = domain.XMLDesc() if domain.isActive() else "<domain/>"
            source = ElementTree.fromstring(shown).find("devices/serial/source[@path]")
            return None if source is None else Terminal(source.attrib["path"])
        except (VirtualBMCError, libvirt.libvirtError, OSError):  # It was turned off just now.
            return None


def main() -> None:
    port, user, password, domain, uri = sys.argv[1:]
    ServerSession.create_open_session_response = only_suite_3
    bmc = SerialBmc(user, password, int(port), "::ffff:127.0.0.1", domain, uri)
    bmc.has_serial(domain)
    bmc.serve()


if __name__ == "__main__":
    main()
