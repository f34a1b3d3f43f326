"""Settings: each is known whole, is read by something, and does what it says over the wire."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from aggregates.known_settings import KNOWN
from aggregates.operation_settings import DISABLES, NOTIFIES
from engine.chores.capacity import look_at_capacity
from engine.chores.chore import CHORES
from engine.chores.purge import purge_events
from engine.clock import SystemClock
from engine.reconcilers.sweep import Sweeper
from projections.setting import value_of
from tests.tenant.test_limits import domain_admin
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import CUSTOM_DISK, ISOLATED, MAIN, MEDIUM, POOL, ZONE, Client, Place, named

ROOT = Path(__file__).parents[2]
DECLARED = {"known_settings.py", "operation_settings.py", "setting_groups.py"}
# Names that are put together where they are read: the file and what it says.
MADE_UP = {
    "max.*": ("projections/resource_limit.py", 'f"max.{kind}.'),
    "resource.limit.*": ("projections/resource_limit.py", "resource.limit."),
    "snapshot.max.*": ("engine/decisions/snapshot_policy.py", 'f"snapshot.max.{'),
    "custom.diskoffering.size.*": ("api/commands/vm_checks.py", 'f"custom.diskoffering.size.{'),
}
DAY_MS = 24 * 3_600_000


async def change(who: Client, name: str, value: str, **scope: str) -> dict[str, Any]:
    answer = await who("updateConfiguration", name=name, value=value, **scope)
    return dict(answer["configuration"])


async def refused(who: Client, command: str, word: str, **asked: Any) -> None:
    with pytest.raises(CloudStackApiException, match=word):
        await who(command, **asked)


def test_every_setting_that_is_not_only_kept_is_read_somewhere() -> None:
    folders = ("aggregates", "projections", "engine", "api", "sagastack", "drivers")
    text = "".join(
        path.read_text()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in DECLARED
    )
    table = (ROOT / "aggregates/operation_settings.py").read_text()
    unread = []
    for name in (one.name for one in KNOWN.values() if not one.kept):
        if f'"{name}"' in text:
            continue
        if name in NOTIFIES.values() or name in DISABLES.values():
            assert name in table and "NOTIFIES.get(" in text and 'DISABLES["cpu"]' in text
            continue
        for pattern, (file, stem) in MADE_UP.items():
            if fnmatchcase(name, pattern) and stem in (ROOT / file).read_text():
                break
        else:
            unread.append(name)
    assert unread == []


def test_every_setting_is_known_whole_and_none_is_a_secret() -> None:
    for one in KNOWN.values():
        one.check(one.default)
        assert one.text and one.range and one.scopes[0] == "global"
        assert one.group != ("Miscellaneous", "Others") or one.kept, one.name
        assert one.kept == ("nothing reads it" in one.text or "is done" in one.text), one.name
        assert not {"password", "secret", "token"} & set(one.name.split(".")), (
            "values of settings lie in the log: secrets belong into the vault"
        )


async def test_a_value_out_of_range_is_refused_with_the_range(here: Place) -> None:
    admin = here.admin
    await refused(admin, "updateConfiguration", "from 10 to 1440",
                  name="usage.stats.job.aggregation.range", value="5")  # fmt: skip
    await refused(admin, "updateConfiguration", "from 0 to 1",
                  name="cluster.cpu.allocated.capacity.disablethreshold", value="1.5")  # fmt: skip
    await refused(admin, "updateConfiguration", "one of firstfit",
                  name="vm.allocation.algorithm", value="best")  # fmt: skip
    await refused(admin, "updateConfiguration", "true or false",
                  name="vm.instancename.flag", value="maybe")  # fmt: skip
    (row,) = (await admin("listConfigurations", name="vm.allocation.algorithm"))["configuration"]
    assert (row["group"], row["subgroup"], row["scope"]) == (
        "Compute", "Virtual Machine", "global,zone",
    )  # fmt: skip
    assert "userdispersing" in row["options"].split(",") and row["range"].startswith("one of")


async def test_settings_are_listed_by_group_and_scope(here: Place) -> None:
    groups = (await here.admin("listConfigurationGroups"))["configurationgroup"]
    parts = {one["name"]: {part["name"] for part in one["subgroup"]} for one in groups}
    assert {"Virtual Machine", "Placement"} <= parts["Compute"]
    for group, subgroups in parts.items():
        for subgroup in subgroups:
            found = await here.admin("listConfigurations", group=group, subgroup=subgroup)
            assert all(row["group"] == group for row in found.get("configuration", ()))
    pools = await here.admin("listConfigurations", storageid=str(POOL))
    assert {row["name"] for row in pools["configuration"]} == {
        "pool.storage.capacity.disablethreshold",
        "pool.storage.allocated.capacity.disablethreshold",
    }
    name = "pool.storage.capacity.disablethreshold"
    await change(here.admin, name, "0.5", zoneid=str(ZONE))
    (row,) = (await here.admin("listConfigurations", name=name, storageid=str(POOL)))[
        "configuration"
    ]
    assert row["value"] == "0.5", "a pool has its zone's value until it has its own"
    events = (await here.admin("listEvents", type="CONFIGURATION.VALUE.EDIT"))["event"]
    assert len(events) == 1


async def test_a_domains_administrator_sets_things_for_others_below(here: Place) -> None:
    boss = await domain_admin(here, str(named("domain ann")))
    ann, name = here.account("ann"), "allow.user.force.stop.vm"
    vm = await deploy(here.ann)
    await change(boss, name, "false", accountid=ann)
    await refused(here.ann, "stopVirtualMachine", name, id=vm["id"], forced="true")
    await boss.job("stopVirtualMachine", id=vm["id"], forced="true")
    shown = (await here.ann("listCapabilities"))["capability"]
    assert shown["allowuserforcestopvm"] is False
    mine = str(named("domain ann"))
    for wrong in ({"domainid": mine}, {"accountid": here.account("bob")}, {}):
        asked = {"name": name, "value": "true", **wrong}
        await refused(boss, "updateConfiguration", "own|not exist|cloud", **asked)
    await change(here.admin, name, "true", accountid=ann)
    await change(here.admin, name, "false", domainid=mine)
    assert (await here.ann("listCapabilities"))["capability"]["allowuserforcestopvm"] is True
    await here.admin("resetConfiguration", name=name, accountid=ann)
    assert (await here.ann("listCapabilities"))["capability"]["allowuserforcestopvm"] is False


async def test_pages_are_as_large_as_the_setting_says(here: Place) -> None:
    await change(here.admin, "default.page.size", "3")
    listed = await here.admin("listOsTypes")
    assert len(listed["ostype"]) == 3 < listed["count"]
    await refused(here.admin, "listOsTypes", "from 1 to 3", page=1, pagesize=4)


async def test_an_account_that_asks_too_often_is_told_when_to_ask_again(here: Place) -> None:
    await change(here.admin, "api.throttling.max", "3")
    await change(here.admin, "api.throttling.interval", "3600")
    await change(here.admin, "api.throttling.enabled", "true")
    capability = (await here.ann("listCapabilities"))["capability"]
    assert (capability["apilimitmax"], capability["apilimitinterval"]) == (3, 3600)
    for _ in range(2):
        await here.ann("listZones")
    await refused(here.ann, "listZones", "ask again in", fetch_list=False)
    await here.bob("listZones")
    for _ in range(5):
        await here.admin("listZones")
    # The clock was ahead, and is set right: the interval that it began is over.
    true_ms = here.controller.gateway.now_ms
    here.controller.gateway.now_ms = lambda: true_ms() - 7_200_000
    await here.ann("listZones")


async def test_names_follow_the_settings(here: Place) -> None:
    await change(here.admin, "vm.instancename.flag", "true")
    vm = await deploy(here.ann, name="web")
    seen = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert seen["instancename"].startswith("i-") and seen["instancename"].endswith("-web")
    await change(here.admin, "guest.domain.suffix", "example.test", zoneid=str(ZONE))
    asked = {"zoneid": str(ZONE), "networkofferingid": ISOLATED}
    net = (await here.bob("createNetwork", name="n", **asked))["network"]
    assert net["networkdomain"].endswith(".example.test")
    await here.admin("updateAccount", id=here.account("bob"), networkdomain="bob.test")
    net = (await here.bob("createNetwork", name="m", **asked))["network"]
    assert net["networkdomain"] == "bob.test"


async def test_a_custom_disk_keeps_within_the_sizes_that_are_set(here: Place) -> None:
    await change(here.admin, "custom.diskoffering.size.min", "2")
    await change(here.admin, "custom.diskoffering.size.max", "4")
    asked = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK, "name": "d"}
    for size in (1, 5):
        await refused(here.ann, "createVolume", "2 to 4 GiB", size=size, **asked)
    await here.ann.job("createVolume", size=4, **asked)
    shown = (await here.ann("listCapabilities"))["capability"]
    assert (shown["customdiskofferingminsize"], shown["customdiskofferingmaxsize"]) == (2, 4)


async def test_guests_are_spread_when_the_algorithm_says_so(here: Place) -> None:
    await change(here.admin, "vm.allocation.algorithm", "userdispersing")
    homes = set()
    for _ in range(2):
        vm = await deploy(here.ann)
        seen = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
        homes.add(seen["hostid"])
    assert len(homes) == 2


async def test_a_cluster_that_is_full_by_its_threshold_takes_no_new_guest(here: Place) -> None:
    name = "cluster.memory.allocated.capacity.disablethreshold"
    await change(here.admin, name, "0.03", clusterid=str(MAIN))  # of 32 GiB: not one GiB
    with pytest.raises(CloudStackApiException, match="cluster main is promised to"):
        await deploy(here.ann, serviceofferingid=MEDIUM)
    vm = await deploy(here.ann)
    host = str(named("host 1"))
    await here.admin.job("stopVirtualMachine", id=vm["id"])
    await here.admin.job("startVirtualMachine", id=vm["id"], hostid=host)
    await change(here.admin, "cluster.threshold.enabled", "false", zoneid=str(ZONE))
    await deploy(here.ann, serviceofferingid=MEDIUM)


async def test_what_is_too_full_is_an_alert_until_there_is_room(here: Place) -> None:
    engine = here.controller.engine
    name = NOTIFIES[0]
    vm = await deploy(here.ann)
    await change(here.admin, name, "0.01", clusterid=str(MAIN))
    await look_at_capacity(engine, 1)
    await look_at_capacity(engine, 2)
    alert = await here.admin.one("listAlerts", "alert", type=0)
    assert alert["name"] == "too full" and name in alert["description"]
    assert alert["placeid"] == str(MAIN)
    await Sweeper(engine, engine.hosts, SystemClock(), every_s=1).sweep()
    assert (await here.admin("listAlerts", type=0))["count"] == 1
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    await look_at_capacity(engine, 3)
    assert await here.admin("listAlerts") == {}


async def test_events_leave_the_list_when_they_are_old(here: Place) -> None:
    engine = here.controller.engine
    await deploy(here.ann)
    cloud = here.controller.cloud
    position, later_ms = cloud.position, cloud.at_ms + 16 * DAY_MS
    await change(here.admin, "event.purge.delay", "0")
    await purge_events(engine, later_ms)
    assert (await here.ann("listEvents"))["count"] > 0
    await here.admin("resetConfiguration", name="event.purge.delay")
    assert value_of(cloud, "event.purge.delay") == "15"
    await purge_events(engine, later_ms)
    assert await here.ann("listEvents") == {}
    assert here.controller.cloud.position > position, "the log has all of them, and this too"


async def test_who_has_addresses_of_its_own_may_be_kept_to_them(here: Place) -> None:
    traffic = {"physicalnetworkid": str(named("wires")), "traffictype": "Public"}
    await here.admin.job("addTrafficType", **traffic)
    common = {"zoneid": str(ZONE), "netmask": "255.255.255.0", "forvirtualnetwork": "true"}
    for third in (2, 3):
        asked = {
            "gateway": f"198.51.{third}.1", "startip": f"198.51.{third}.10",
            "endip": f"198.51.{third}.10", "vlan": f"{300 + third}",
        }  # fmt: skip
        made = (await here.admin("createVlanIpRange", **common, **asked))["vlan"]
    ann = {"account": "ann", "domainid": str(named("domain ann"))}
    await here.admin("dedicatePublicIpRange", id=made["id"], **ann)
    asked = {"zoneid": str(ZONE), "networkofferingid": ISOLATED, "name": "n"}
    net = (await here.ann("createNetwork", **asked))["network"]["id"]
    name, mine = "use.system.public.ips", {"accountid": here.account("ann")}
    await change(here.admin, name, "false", **mine)
    with pytest.raises(CloudStackApiException):
        for _ in range(3):  # the network itself may have taken one
            await here.ann.job("associateIpAddress", networkid=net)
    taken = (await here.ann("listPublicIpAddresses"))["publicipaddress"]
    assert {row["ipaddress"] for row in taken} == {"198.51.3.10"}
    await change(here.admin, name, "true", **mine)
    second = (await here.ann.job("associateIpAddress", networkid=net))["ipaddress"]
    assert second["ipaddress"] == "198.51.2.10"


async def test_chores_come_round_as_often_as_their_settings_say(here: Place) -> None:
    engine = here.controller.engine
    assert CHORES["expunge_destroyed_guests"].every_ms(engine) == 60_000
    assert CHORES["look_at_capacity"].every_ms(engine) == 300_000
    await change(here.admin, "expunge.interval", "7")
    await change(here.admin, "capacity.check.period", "1500")
    assert CHORES["expunge_destroyed_guests"].every_ms(engine) == 7_000
    assert CHORES["look_at_capacity"].every_ms(engine) == 1_500
