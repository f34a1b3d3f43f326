"""Limits: what is let in at one moment, who may say them, and counts that are sums of rows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from aggregates.errors import LimitReached
from engine.genesis import stable_id
from engine.history import History
from engine.intents import SYSTEM
from engine.intents.template import RegisterTemplate
from projections.counts import Counts
from projections.usage import Usage
from tests.tenant.world import (
    CUSTOM_DISK,
    GIB,
    MEDIUM,
    SMALL,
    TEMPLATE,
    ZONE,
    Client,
    Place,
    named,
    place,
)


def refused(raised: pytest.ExceptionInfo[CloudStackApiException]) -> dict[str, Any]:
    return dict(raised.value.error)


async def limit(here: Place, who: Client, **what: Any) -> Any:
    return (await who("updateResourceLimit", **what))["resourcelimit"]


async def volume(who: Client, number: int = 0, size: int = 1) -> Any:
    asked = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK, "size": size}
    return await who.job("createVolume", name=f"v{number}", **asked)


async def attempt(who: Client, number: int) -> str:
    try:
        await volume(who, number)
    except CloudStackApiException as error:
        return str(error.error["errorcode"])
    return "made"


async def count(here: Place, owner: str, kind: int) -> int:
    domain = str(named(f"domain {owner}"))
    asked = {"domainid": domain, "account": owner, "resourcetype": kind}
    answer = await here.admin("updateResourceCount", **asked)
    return int(answer["resourcecount"][0]["resourcecount"])


async def test_two_hundred_at_once_get_exactly_what_there_is_room_for(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        await limit(here, here.admin, resourcetype=2, domainid=ann, account="ann", max=17)
        ends = await asyncio.gather(*(attempt(here.ann, number) for number in range(200)))
        assert (ends.count("made"), ends.count("532")) == (17, 183)
        assert await count(here, "ann", 2) == 17
        found = await here.ann("listVolumes", pagesize=500, page=1)
        assert found["count"] == 17


async def test_a_refusal_says_whose_limit_it_is_and_leaves_nothing(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        await limit(here, here.admin, resourcetype=9, domainid=ann, account="ann", max=511)
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        for dry in ("false", "true"):
            with pytest.raises(CloudStackApiException) as raised:
                await here.ann("deployVirtualMachine", dryrun=dry, **asked)
            told = refused(raised)
            assert (told["errorcode"], told["cserrorcode"]) == (532, 4280)
            assert "memory for account ann" in told["errortext"]
            assert "limit is 511 MiB, 0 MiB are in use and 512 MiB more" in told["errortext"]
        assert await here.ann("listVirtualMachines") == {}
        assert await here.ann("listVolumes") == {}
        assert not here.controller.cloud.view(Counts)._promised


async def test_what_is_removed_makes_room_and_what_is_destroyed_too(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        await limit(here, here.admin, resourcetype=0, domainid=ann, account="ann", max=1)
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        first = await here.ann.job("deployVirtualMachine", **asked)
        with pytest.raises(CloudStackApiException):
            await here.ann("deployVirtualMachine", **asked)
        vm = first["virtualmachine"]["id"]
        await here.ann.job("destroyVirtualMachine", id=vm)
        assert [await count(here, "ann", kind) for kind in (0, 8, 9)] == [0, 0, 0]
        await here.ann.job("deployVirtualMachine", **asked)
        with pytest.raises(CloudStackApiException) as raised:
            await here.admin("recoverVirtualMachine", id=vm)
        assert refused(raised)["errorcode"] == 532


async def test_a_domain_limits_all_below_it(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        await limit(here, here.admin, resourcetype=10, domainid=ann, max=3)
        await volume(here.ann, 1, size=3)
        with pytest.raises(CloudStackApiException) as raised:
            await volume(here.ann, 2)
        assert "domain /ann" in refused(raised)["errortext"]
        shown = await here.admin.one("listDomains", "domain", id=ann)
        assert (shown["primarystoragelimit"], shown["primarystoragetotal"]) == ("3", 3)
        assert (shown["primarystorageavailable"], shown["volumetotal"]) == ("0", 1)
        await volume(here.bob, 1)


async def test_a_limit_below_what_is_in_use_takes_nothing_away(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        for number in range(3):
            await volume(here.ann, number)
        await limit(here, here.admin, resourcetype=2, domainid=ann, account="ann", max=1)
        assert (await here.ann("listVolumes"))["count"] == 3
        with pytest.raises(CloudStackApiException):
            await volume(here.ann, 9)
        shown = await here.admin.one("listAccounts", "account", id=here.account("ann"))
        assert (shown["volumelimit"], shown["volumetotal"]) == ("1", 3)


async def test_limits_by_tag_count_only_what_carries_it(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        made = await here.admin(
            "createDiskOffering", name="fast", displaytext="fast", customized="true", tags="ssd"
        )
        fast = made["diskoffering"]["id"]
        with pytest.raises(CloudStackApiException) as raised:
            await limit(here, here.admin, resourcetype=2, domainid=ann, account="ann", tag="ssd")
        assert "resource.limit.storage.tags" in refused(raised)["errortext"]
        await here.admin("updateConfiguration", name="resource.limit.storage.tags", value="ssd")
        by_tag = {"resourcetype": 2, "domainid": ann, "account": "ann", "tag": "ssd"}
        await limit(here, here.admin, max=1, **by_tag)
        await volume(here.ann, 1)
        asked = {"zoneid": str(ZONE), "diskofferingid": fast, "size": 1}
        await here.ann.job("createVolume", name="f1", **asked)
        with pytest.raises(CloudStackApiException) as raised:
            await here.ann("createVolume", name="f2", **asked)
        assert "volume with tag ssd" in refused(raised)["errortext"]
        await volume(here.ann, 2)
        shown = await here.admin.one("listAccounts", "account", id=here.account("ann"))
        (tagged,) = [one for one in shown["taggedresources"] if one["resourcetype"] == 2]
        assert (tagged["limit"], tagged["total"], tagged["available"]) == (1, 1, 0)


async def test_who_may_say_a_limit(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        admin, ann, bob = here.admin, str(named("domain ann")), str(named("domain bob"))
        boss = await domain_admin(here, ann)
        with pytest.raises(CloudStackApiException):
            await limit(here, here.ann, resourcetype=2, domainid=ann, account="ann", max=99)
        for what in (
            {"domainid": ann},
            {"domainid": bob},
            {"domainid": bob, "account": "bob"},
            {"domainid": ann, "account": "boss"},
            {"account": "boss"},
            {},
        ):
            with pytest.raises(CloudStackApiException):
                await limit(here, boss, resourcetype=2, max=5, **what)
        said = await limit(here, boss, resourcetype=2, domainid=ann, account="ann", max=5)
        assert (said["max"], said["resourcetypename"], said["account"]) == (5, "volume", "ann")
        below = await boss("createDomain", name="below", parentdomainid=ann)
        below_id = below["domain"]["id"]
        await limit(here, admin, resourcetype=2, domainid=ann, max=10)
        with pytest.raises(CloudStackApiException) as raised:
            await limit(here, boss, resourcetype=2, domainid=below_id, max=11)
        assert "may have 10 volume" in refused(raised)["errortext"]
        await limit(here, boss, resourcetype=2, domainid=below_id, max=9)
        for wrong in ({"resourcetype": 99}, {"resourcetype": 2, "max": -2}):
            with pytest.raises(CloudStackApiException):
                await limit(here, admin, domainid=ann, **wrong)
        mine = await here.ann("listResourceLimits", resourcetype=2)
        assert [one["max"] for one in mine["resourcelimit"]] == [5]


async def domain_admin(here: Place, domain: str) -> Client:
    made = await here.admin(
        "createAccount", username="boss", password="boss-password", email="b@example.org",
        firstname="b", lastname="b", account="boss", accounttype=2, domainid=domain,
    )  # fmt: skip
    keys = await here.admin("registerUserKeys", id=made["account"]["user"][0]["id"])
    found = keys["userkeys"]
    return Client(here.controller.endpoint, found["apikey"], found["secretkey"])


async def test_counts_are_the_sum_of_the_rows_after_every_start(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        for _ in range(2):
            vm = (await here.ann.job("deployVirtualMachine", **asked))["virtualmachine"]["id"]
        await here.ann.job("destroyVirtualMachine", id=vm)
        await volume(here.ann, 1, size=2)
        counts = here.controller.cloud.view(Counts)
        live, account = counts.encode(), named("account ann")
        assert counts.count(account, "primary_storage") >= 3 * GIB
        assert counts.count(named("domain ann"), "volume") == counts.count(account, "volume") == 3
        assert not counts._promised and not counts._promises
        counts._recount()
        assert counts.encode() == live
        history = History(here.controller.log, tmp_path / "none")
        rebuilt = await history.latest()
        assert rebuilt.digest() == here.controller.cloud.digest()


async def test_what_grows_is_charged_before_it_has_grown(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        disks = [(await volume(here.ann, number))["volume"]["id"] for number in range(4)]
        await limit(here, here.admin, resourcetype=10, domainid=ann, account="ann", max=10)

        async def grow(disk: str) -> str:
            try:
                await here.ann.job("resizeVolume", id=disk, size=4)
            except CloudStackApiException as error:
                return str(error.error["errorcode"])
            return "grown"

        ends = await asyncio.gather(*map(grow, disks))
        assert (ends.count("grown"), ends.count("532")) == (2, 2)
        assert await count(here, "ann", 10) == 10 * GIB
        await here.ann.job("deleteVolume", id=disks[ends.index("grown")])
        assert await count(here, "ann", 10) == 6 * GIB


async def test_a_project_has_limits_of_its_own_and_counts_for_its_owner(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        made = await here.ann.job("createProject", name="p", displaytext="p")
        project = made["project"]["id"]
        assert await count(here, "ann", 5) == 1
        assert await count(here, "ann", 2) == 0
        await limit(here, here.admin, resourcetype=2, projectid=project, max=1)
        asked = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK, "size": 1}
        await here.ann.job("createVolume", name="a", projectid=project, **asked)
        with pytest.raises(CloudStackApiException) as raised:
            await here.ann("createVolume", name="b", projectid=project, **asked)
        assert refused(raised)["errorcode"] == 532
        assert await count(here, "ann", 2) == 0
        shown = await here.ann.one("listProjects", "project", id=project)
        assert (shown["volumelimit"], shown["volumetotal"], shown["volumeavailable"]) == (
            "1", 1, "0",
        )  # fmt: skip
        mine = await here.ann("listResourceLimits", projectid=project, resourcetype=2)
        assert [(one["max"], one["project"]) for one in mine["resourcelimit"]] == [(1, "p")]
        with pytest.raises(CloudStackApiException):
            await limit(here, here.ann, resourcetype=2, projectid=project, max=9)
        await limit(here, here.admin, resourcetype=5, domainid=ann, account="ann", max=1)
        with pytest.raises(CloudStackApiException) as raised:
            await here.ann("createProject", name="q", displaytext="q")
        assert refused(raised)["errorcode"] == 532


async def test_an_image_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        await limit(here, here.admin, resourcetype=11, domainid=ann, account="ann", max=0)
        ask = RegisterTemplate(
            template_id=named("template"),
            account_id=named("account ann"),
            domain_id=named("domain ann"),
            name="mine",
            display_text="mine",
            url="sim://mine",
            hypervisor="Simulator",
            image_format="QCOW2",
            trusted=True,
            os_type_id=stable_id("os_type", "Other Linux (64-bit)"),
        )
        with pytest.raises(LimitReached, match="secondary_storage for account ann"):
            await here.controller.engine.perform(ask, SYSTEM)
        assert await count(here, "ann", 11) == 0


async def test_two_guests_that_grow_at_one_moment_share_what_room_there_is(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = str(named("domain ann"))
        await here.admin("updateConfiguration", name="enable.dynamic.scale.vm", value="true")
        await here.admin("updateTemplate", id=TEMPLATE, isdynamicallyscalable="true")
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        made = [await here.ann.job("deployVirtualMachine", **asked) for _ in range(2)]
        await limit(here, here.admin, resourcetype=9, domainid=ann, account="ann", max=1536)

        async def grow(vm: str) -> str:
            try:
                await here.ann.job("scaleVirtualMachine", id=vm, serviceofferingid=MEDIUM)
            except CloudStackApiException as error:
                return str(error.error)
            return "grown"

        ends = await asyncio.gather(*(grow(one["virtualmachine"]["id"]) for one in made))
        assert ends.count("grown") == 1, ends
        assert any("memory for account ann" in one for one in ends), ends
        assert await count(here, "ann", 9) == 1536


async def test_snapshots_and_addresses_count_too(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        ann = {"domainid": str(named("domain ann")), "account": "ann"}
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        vm = (await here.ann.job("deployVirtualMachine", **asked))["virtualmachine"]
        (root,) = (await here.ann("listVolumes", virtualmachineid=vm["id"]))["volume"]
        await limit(here, here.admin, resourcetype=3, max=1, **ann)
        await here.ann.job("createSnapshot", volumeid=root["id"])
        assert (await count(here, "ann", 3), await count(here, "ann", 11)) == (1, root["size"])
        with pytest.raises(CloudStackApiException) as raised:
            await here.ann("createSnapshot", volumeid=root["id"])
        assert "snapshot for account ann" in refused(raised)["errortext"]
        when = {"startdate": "2020-01-01", "enddate": "2020-12-01"}
        assert await here.admin("listUsageRecords", **when) == {}
        made = here.controller.cloud.view(Usage).between(0, 2**60)
        spans = [span async for some in made for span in some]
        kinds = {span.meter.kind for span in spans if span.account_id == named("account ann")}
        assert {1, 2, 6, 9, 13} <= kinds
