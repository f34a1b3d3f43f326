"""What a client asks for is done, or refused: no parameter is silently forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackApiException

from tests.tenant.world import (
    ISOLATED,
    MEDIUM,
    SHARED,
    SMALL,
    TEMPLATE,
    ZONE,
    Client,
    Place,
)

DEPLOY: dict[str, Any] = {"zoneid": str(ZONE), "templateid": TEMPLATE, "serviceofferingid": SMALL}
ISOLATE: dict[str, Any] = {"zoneid": str(ZONE), "networkofferingid": ISOLATED}


async def refusal(client: Client, command: str, **params: Any) -> str:
    with pytest.raises(CloudStackApiException) as caught:
        await client(command, **params)
    assert caught.value.error["errorcode"] == 431
    return str(caught.value.error["errortext"])


async def network_of(client: Client) -> str:
    made = await client("createNetwork", name="net", **ISOLATE)
    return str(made["network"]["id"])


async def test_what_is_not_offered_is_refused_when_it_is_asked_for(here: Place) -> None:
    text = await refusal(here.ann, "createNetwork", name="n", privatemtu=1400, **ISOLATE)
    assert "privatemtu: it is not offered by this cloud" in text
    assert "leave it out" in text
    options = {"datadiskofferinglist[0].datadisktemplateid": TEMPLATE}
    assert "datadiskofferinglist" in await refusal(
        here.ann, "deployVirtualMachine", **DEPLOY, **options
    )
    # What asks for nothing is no request, and not offering leaves nothing behind.
    assert await here.ann("listNetworks") == {}
    made = await here.ann(
        "createNetwork", name="n", privatemtu=0, hideipaddressusage="false", **ISOLATE
    )
    assert made["network"]["name"] == "n"


async def test_a_refusal_does_not_repeat_what_may_be_secret(here: Place) -> None:
    cluster = {"zoneid": str(ZONE), "podid": (await here.admin("listPods"))["pod"][0]["id"]}
    cluster |= {"clustername": "c", "clustertype": "CloudManaged", "hypervisor": "KVM"}
    text = await refusal(here.admin, "addCluster", password="tell-nobody", **cluster)
    assert "password: it is not offered" in text
    assert "tell-nobody" not in text


async def test_a_list_can_tell_only_how_many_there_are(here: Place) -> None:
    await network_of(here.ann)
    found = await here.ann("listNetworks", retrieveonlyresourcecount="true")
    assert found == {"count": 1}
    assert len((await here.ann("listNetworks"))["network"]) == 1


async def test_offerings_of_a_domain(here: Place) -> None:
    domain = (await here.ann("listUsers"))["user"][0]["domainid"]
    other = (await here.bob("listUsers"))["user"][0]["domainid"]
    made = await here.admin(
        "createDiskOffering", name="anns", displaytext="x", disksize=1, domainid=domain
    )
    assert made["diskoffering"]["domainid"] == domain
    names = {}
    for one in (domain, other):
        found = await here.admin("listDiskOfferings", domainid=one, listall="true")
        names[one] = {row["name"] for row in found["diskoffering"]}
    assert names[domain] - names[other] == {"anns"}
    assert {"Small", "Custom"} <= names[other]


async def test_a_network_of_a_domain_alone(here: Place) -> None:
    """Those below the domain are let in unless it was said that they are not."""
    subnet = {"gateway": "10.9.0.1", "netmask": "255.255.255.0", "startip": "10.9.0.10"}
    shared = {"zoneid": str(ZONE), "networkofferingid": SHARED, "acltype": "Domain"} | subnet
    for name, vlan, below in (("open", 301, "true"), ("kept", 302, "false")):
        made = await here.admin(
            "createNetwork",
            name=name,
            vlan=vlan,
            subdomainaccess=below,
            endip="10.9.0.20",
            **shared,
        )
        assert made["network"]["subdomainaccess"] is (below == "true")
    found = (await here.ann("listNetworks"))["network"]
    assert [one["name"] for one in found] == ["open"]
    kept = (await here.admin("listNetworks", listall="true", keyword="kept"))["network"][0]["id"]
    with pytest.raises(CloudStackApiException):
        await here.ann("deployVirtualMachine", networkids=kept, **DEPLOY)


async def test_a_guest_is_leased_as_its_offering_says(here: Place) -> None:
    made = await here.admin(
        "createServiceOffering",
        name="lent",
        displaytext="lent",
        cpunumber=1,
        cpuspeed=100,
        memory=128,
        leaseduration=3,
        leaseexpiryaction="DESTROY",
        bytesreadrate=4096,
    )
    offering = made["serviceoffering"]
    assert (offering["leaseduration"], offering["leaseexpiryaction"]) == (3, "DESTROY")
    net = await network_of(here.ann)
    asked = DEPLOY | {"serviceofferingid": offering["id"], "networkids": net}
    vm = (await here.ann.job("deployVirtualMachine", **asked))["virtualmachine"]
    assert (vm["leaseduration"], vm["leaseexpiryaction"]) == (3, "DESTROY")
    disk = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    assert (offering["diskBytesReadRate"], disk["diskBytesReadRate"]) == (4096, 4096)
    own = (await here.ann.job("deployVirtualMachine", leaseduration=-1, **asked))["virtualmachine"]
    assert "leaseduration" not in own


async def test_a_guest_that_shall_not_grow(here: Place) -> None:
    await here.admin("updateConfiguration", name="enable.dynamic.scale.vm", value="true")
    await here.admin("updateTemplate", id=TEMPLATE, isdynamicallyscalable="true")
    asked = DEPLOY | {"networkids": await network_of(here.ann)}
    vm = (await here.ann.job("deployVirtualMachine", dynamicscalingenabled="false", **asked))[
        "virtualmachine"
    ]
    assert vm["isdynamicallyscalable"] is False
    with pytest.raises(CloudStackApiException) as caught:
        await here.ann.job("scaleVirtualMachine", id=vm["id"], serviceofferingid=MEDIUM)
    assert "not to be dynamically scalable" in str(caught.value)
    text = await refusal(here.admin, "updateVirtualMachine", id=vm["id"], haenable="true")
    assert "change to an offering where offerha is true" in text
    same = await here.admin("updateVirtualMachine", id=vm["id"], haenable="false")
    assert same["virtualmachine"]["haenable"] is False
    jobs = await here.ann("listAsyncJobs", resourceid=vm["id"], resourcetype="VirtualMachine")
    assert {job["jobinstanceid"] for job in jobs["asyncjobs"]} == {vm["id"]}
    assert await here.ann("listAsyncJobs", resourceid=vm["id"], resourcetype="Volume") == {}


async def test_what_administrators_say_of_things_is_shown(here: Place) -> None:
    host = (await here.admin("listHosts"))["host"][0]
    changed = (await here.admin("updateHost", id=host["id"], annotation="fan is loud"))["host"]
    assert changed["annotation"] == "fan is loud"
    assert changed["hostha"] == {"haenable": False, "hastate": "Disabled"}
    zone = await here.admin("updateZone", id=str(ZONE), **{"details[0].rack": "7"})
    assert zone["zone"]["resourcedetails"] == {"rack": "7"}
    role = (await here.admin("createRole", name="auditors", type="User"))["role"]["id"]
    rule = {"roleid": role, "rule": "list*", "permission": "allow", "description": "they only look"}
    await here.admin("createRolePermission", **rule)
    await here.admin("createRolePermission", roleid=role, rule="*", permission="deny")
    found = (await here.admin("listRolePermissions", roleid=role))["rolepermission"]
    assert [one.get("description") for one in found] == ["they only look", None]


async def test_a_list_shows_icons_only_where_there_are_some(here: Place) -> None:
    me = (await here.ann("listUsers"))["user"][0]["id"]
    image = {"base64image": "iVBORw0KGgo=", "resourceids": me, "resourcetype": "User"}
    await here.admin("uploadResourceIcon", **image)
    shown = (await here.ann("listUsers", showicon="true"))["user"][0]
    assert shown["icon"]["base64image"] == image["base64image"]
    assert "icon" not in (await here.ann("listUsers"))["user"][0]
    assert (await here.admin("listOsCategories", showicon="true"))["count"] > 3
    assert await here.ann("listVPCs", showicon="true") == {}


async def test_families_of_the_images_that_there_are(here: Place) -> None:
    kind = (await here.admin("listOsTypes", keyword="Debian"))["ostype"][0]
    await here.admin("updateTemplate", id=TEMPLATE, ostypeid=kind["id"])
    used = (await here.ann("listOsCategories", zoneid=str(ZONE), isiso="false"))["oscategory"]
    assert kind["oscategoryid"] in {one["id"] for one in used}
    assert len(used) < (await here.ann("listOsCategories"))["count"]
    assert await here.ann("listOsCategories", isiso="true") == {}


async def test_what_dhcp_tells_is_said_as_clients_say_it(here: Place) -> None:
    """A field for each option, at the deploy, with a later card, and by a change."""
    ann, nets = here.ann, []
    for name in ("one", "two"):
        made = await ann("createNetwork", **(ISOLATE | {"name": name}))
        nets.append(made["network"]["id"])
    first = [{"networkid": nets[0], "dhcp:66": "tftp.example", "dhcp:67": "boot"}]
    asked = DEPLOY | {"networkids": nets[0]}
    made = await ann.job("deployVirtualMachine", dhcpoptionsnetworklist=first, **asked)
    vm = made["virtualmachine"]
    assert told(vm, 0) == {66: "tftp.example", 67: "boot"}
    mac, more = "52:54:00:aa:00:01", [{"dhcp:114": "http://x.example"}]
    card = {"virtualmachineid": vm["id"], "networkid": nets[1], "macaddress": mac}
    vm = (await ann.job("addNicToVirtualMachine", dhcpoptions=more, **card))["virtualmachine"]
    assert (vm["nic"][1]["macaddress"], told(vm, 1)) == (mac, {114: "http://x.example"})
    other = [{"networkid": nets[0], "dhcp:66": "other.example"}]
    changed = await ann("updateVirtualMachine", id=vm["id"], dhcpoptionsnetworklist=other)
    assert told(changed["virtualmachine"], 0) == {66: "other.example"}
    assert told(changed["virtualmachine"], 1) == {114: "http://x.example"}
    strange = [{"networkid": nets[0], "bootp:66": "x"}]
    assert "is no DHCP option" in await refusal(
        ann, "updateVirtualMachine", id=vm["id"], dhcpoptionsnetworklist=strange
    )


def told(vm: Any, number: int) -> dict[int, str]:
    options = vm["nic"][number]["extradhcpoption"]
    return {one["extradhcpoptioncode"]: one["extradhcpvalue"] for one in options}
