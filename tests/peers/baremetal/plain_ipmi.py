"""A BMC of pyghmi's own server side, as a program, before a machine that is a few variables.

    python -m tests.peers.baremetal.plain_ipmi PORT USER PASSWORD [LINE]

LINE is the Unix socket of the machine's serial line.
As an old BMC does, it knows cipher suite 3 alone.
"""

from __future__ import annotations

import sys
from typing import Any

from pyghmi.ipmi.bmc import Bmc
from pyghmi.ipmi.private.serversession import ServerSession

from tests.peers.baremetal.serial_line import SerialOverLan

HMAC_SHA1 = 1
NO_SUCH_SUITE = 0x11

accept = ServerSession.create_open_session_response


def only_suite_3(self: Any, request: bytearray) -> bytearray:
    """IPMI 2.0, 13.17 and 13.18."""
    if request[12] == HMAC_SHA1:
        return bytearray(accept(self, request))
    return bytearray((request[0], NO_SUCH_SUITE, 0, 0)) + bytearray(request[4:8])


class PlainBmc(SerialOverLan, Bmc):  # type: ignore[misc]
    """Power and boot device."""

    power, device = "off", "default"

    def get_power_state(self) -> str:
        return self.power

    def is_active(self) -> bool:
        return self.power == "on"

    def get_boot_device(self) -> str:
        return self.device

    def set_boot_device(self, bootdevice: str) -> None:
        self.device = bootdevice

    def power_on(self) -> None:
        self.power = "on"

    def power_off(self) -> None:
        self.power = "off"

    def power_shutdown(self) -> None:
        self.power = "off"

    def power_reset(self) -> None:
        """It begins anew, which shows nowhere here."""


def main() -> None:
    port, user, password, *line = sys.argv[1:]
    ServerSession.create_open_session_response = only_suite_3
    bmc = PlainBmc({user: password}, port=int(port), address="::ffff:127.0.0.1")
    bmc.has_serial("".join(line))
    print("listening", flush=True)
    bmc.serve()


if __name__ == "__main__":
    main()
