"""The way to a guest's screen."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.console_ticket import TICKET_S, admit
from api.declare import Caller, Names, command
from api.views.console import ConsoleView, ConsoleWebsocketView

# How to speak at an address that is no plain VNC, by the driver's word for it.
HOW = {
    "webmks": "open it with VMware's WebMKS client; the ticket in it opens it once",
    "novnc": "open it with a browser",
    "html": "open it with a browser",
    "vnc": "open it with a VNC client that speaks WebSocket",
    "rdp": "open it with an RDP client from where the host can be reached",
    "serial": "it is a serial line on a WebSocket: open it with a client of Nova's serial console",
    "sol": "it is a serial line: open it with an IPMI client",
}


@command(
    "createConsoleEndpoint",
    returns=ConsoleView,
    key="consoleendpoint",
    allow="ARDU",
    since="4.18.0",
    action="VM.CONSOLE",
    reads=True,
)
class CreateConsoleEndpoint:
    """Say where the screen of a running virtual machine can be looked at.

    A serial line is carried by this server, so whoever may operate the machine is let through,
    with a ticket that opens it once. A screen's address is one of a host, so only root
    administrators are told it.
    """

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    token: Annotated[str | None, "ignored: there is no proxy to give it to"] = None

    async def run(self, caller: Caller) -> ConsoleView:
        console = await caller.engine.console(self.virtual_machine_id)
        if console.line is not None:
            place = await admit(caller, self.virtual_machine_id)
            return ConsoleView(
                success=True,
                url=place.page,
                details=f"its serial line: open it with a browser within {TICKET_S} seconds, once",
                websocket=ConsoleWebsocketView(
                    token=place.token, host=place.host, port=place.port, path=place.path
                ),
            )
        if not console.vnc_port and not console.url:
            return ConsoleView(success=False, details="its hypervisor gives it no screen")
        if not caller.is_root:
            return ConsoleView(success=False, details="its screen is for administrators only")
        if console.url:
            return ConsoleView(
                success=True,
                url=console.url,
                details=HOW.get(console.protocol, f"it speaks {console.protocol}"),
            )
        return ConsoleView(
            success=True,
            url=f"vnc://{console.vnc_host}:{console.vnc_port}",
            details="open it with a VNC viewer from where the host can be reached",
        )
