"""Discs in the drives of guests: put in, changed, taken out, and read by those who may."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackException

from engine.genesis import stable_id
from tests.tenant.world import SMALL, TEMPLATE, ZONE, Place, named

LINUX = str(stable_id("os_type", "Other Linux (64-bit)"))


async def iso(here: Place, who: str = "ann", name: str = "disc", **more: Any) -> str:
    made = await here.tenants[who](
        "registerIso",
        name=name,
        url=f"http://example.org/{name}.iso",
        zoneid=str(ZONE),
        ostypeid=LINUX,
        **more,
    )
    assert made["iso"][0]["isready"]
    return str(made["iso"][0]["id"])


async def guest(here: Place, start: bool = True) -> str:
    ask = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    done = await here.ann.job("deployVirtualMachine", startvm=str(start).lower(), **ask)
    return str(done["virtualmachine"]["id"])


async def drive(here: Place, vm_id: str) -> list[str]:
    """What is in the drive of a guest, by its hypervisor."""
    for number in (1, 2):
        session: Any = await here.controller.hosts.session(named(f"host {number}"))
        for found in session._site.world.guests.get(session.url, {}).values():
            if str(found.guest_id) == vm_id:
                return [str(disk.volume_id) for disk in found.disks if disk.is_cdrom]
    return []


async def test_a_disc_of_a_running_guest_is_changed(here: Place) -> None:
    first, second = await iso(here), await iso(here, name="other")
    vm_id = await guest(here)
    done = await here.ann.job("attachIso", id=first, virtualmachineid=vm_id)
    assert done["virtualmachine"]["isoid"] == first
    assert done["virtualmachine"]["isoname"] == "disc"
    assert await drive(here, vm_id) == [first]
    with pytest.raises(CloudStackException, match="detach it first"):
        await here.ann("attachIso", id=second, virtualmachineid=vm_id)
    await here.ann.job("attachIso", id=second, virtualmachineid=vm_id, forced="true")
    assert await drive(here, vm_id) == [second]
    done = await here.ann.job("detachIso", virtualmachineid=vm_id)
    assert "isoid" not in done["virtualmachine"]
    assert await drive(here, vm_id) == []
    with pytest.raises(CloudStackException, match="no ISO attached"):
        await here.ann("detachIso", virtualmachineid=vm_id)


async def test_a_stopped_guest_finds_its_disc_when_it_starts(here: Place) -> None:
    disc, vm_id = await iso(here), await guest(here)
    await here.ann.job("stopVirtualMachine", id=vm_id)
    await here.ann.job("attachIso", id=disc, virtualmachineid=vm_id)
    assert await drive(here, vm_id) == []
    await here.ann.job("startVirtualMachine", id=vm_id)
    assert await drive(here, vm_id) == [disc]


async def test_a_disc_stays_while_a_guest_has_it(here: Place) -> None:
    disc, vm_id = await iso(here), await guest(here)
    await here.ann.job("attachIso", id=disc, virtualmachineid=vm_id)
    with pytest.raises(CloudStackException, match="in the drive of virtual machine"):
        await here.ann("deleteIso", id=disc)
    await here.ann.job("detachIso", virtualmachineid=vm_id)
    await here.ann.job("deleteIso", id=disc)
    assert await here.ann("listIsos", isofilter="self") == {}


async def test_only_who_may_use_a_disc_may_put_it_in(here: Place) -> None:
    disc, vm_id = await iso(here, "bob"), await guest(here)
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await here.ann("attachIso", id=disc, virtualmachineid=vm_id)
    await here.bob("updateIsoPermissions", id=disc, ispublic="true")
    assert (await here.bob("listIsoPermissions", id=disc))["templatepermission"]["ispublic"]
    await here.ann.job("attachIso", id=disc, virtualmachineid=vm_id)
    with pytest.raises(CloudStackException, match="may not operate"):
        await here.ann("updateIso", id=disc, name="mine now")


async def test_isos_and_templates_are_two_nouns(here: Place) -> None:
    disc = await iso(here, isfeatured="true")
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await here.ann("listTemplates", templatefilter="self", id=disc)
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await here.ann("deleteTemplate", id=disc)
    line = await here.ann.one("listIsos", "iso", isofilter="self", bootable="true")
    assert line["isfeatured"] is False, "only administrators feature"
    assert line["ostypename"] == "Other Linux (64-bit)"
    assert await here.ann("listIsos", isofilter="self", bootable="false") == {}
    with pytest.raises(CloudStackException, match="ostypeid"):
        await here.ann("registerIso", name="x", url="http://example.org/x", zoneid=str(ZONE))
