"""The network cards of a virtual machine."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Bound, Caller, Free, Names, Page, command
from api.lists import cut
from api.views.nic import NicView
from projections.vm import vms


@command("listNics", returns=NicView, key="nic", shape="list", allow="ARDU", since="4.1")
class ListNics:
    """List the network cards of a virtual machine."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    nic_id: Annotated[
        UUID | None, "the one card with this id", Free("narrows what the machine's owner sees")
    ] = None
    network_id: Annotated[UUID | None, "on this network", Names("network", right="see")] = None
    keyword: Annotated[str | None, "text that its address contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        vm = caller.cloud[vms][self.virtual_machine_id]
        found = [
            made
            for made in NicView.of_vm(vm, caller.cloud)
            if self.nic_id in (None, made.id)
            and self.network_id in (None, made.network_id)
            and (self.keyword or "") in (made.ip_address or "")
        ]
        return Page(len(found), cut(found, self.page, self.page_size))
