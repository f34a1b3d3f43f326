"""The screen of a VM: a ticket and a port, and a WebSocket that they open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.peers.proxmox.errors import No, die

if TYPE_CHECKING:
    from tests.peers.proxmox.server import Call

GREETING = b"RFB 003.008\n"


async def proxy(call: Call) -> Any:
    vm = call.world.vm(call.node, call.vmid)
    if not vm.running:
        raise die(f"VM {vm.vmid} not running")
    ticket = f"PVEVNC:{len(call.world.tickets):08X}::c2lnbmVk+/=="
    port = 5900 + len(call.world.tickets)
    call.world.tickets[ticket] = vm.vmid
    told = {"port": str(port), "ticket": ticket, "user": call.user, "cert": "", "upid": "UPID:"}
    return told | ({"password": "Ab3!xyz9"} if call.flag("generate-password") else {})


async def socket(call: Call) -> Any:
    if call.world.tickets.get(call.told["vncticket"]) != call.vmid:
        raise No(401, "permission denied - invalid PVEVNC ticket")
    assert call.request is not None
    line = web.WebSocketResponse(protocols=("binary",))
    await line.prepare(call.request)
    await line.send_bytes(GREETING)
    await line.close()
    return line


HANDLERS = {
    "POST /nodes/N/qemu/I/vncproxy": proxy,
    "GET /nodes/N/qemu/I/vncwebsocket": socket,
}
