"""What hangs on ann's guest: a tag, a note, a detail and an icon; and a limit, and an alert."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.everybody import House

DOT = "iVBORw0KGgo="


async def furnish(here: House) -> None:
    vm = str(here.thing("vm"))
    things, about = {"resourcetype": "UserVm"}, {"entitytype": "VM", "entityid": vm}
    tag = {"tags[0].key": "env", "tags[0].value": "prod"}
    await here.make("ann", "createTags", resourceids=vm, **things, **tag)
    await here.make("ann", "uploadResourceIcon", resourceids=vm, base64image=DOT, **things)
    await here.make("root", "addAnnotation", annotation="look at this", **about)
    detail = {"details[0].key": "rack", "details[0].value": "7"}
    await here.make("root", "addResourceDetail", resourceid=vm, **things, **detail)
    account = {"account": "ann", "domainid": str(here.thing("domain"))}
    await here.make("root", "updateResourceLimit", resourcetype="2", max="200", **account)
    await here.make("root", "generateAlert", name="smoke", description="it smells", type="7")
