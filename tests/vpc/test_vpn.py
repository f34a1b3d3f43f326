"""VPNs over the wire: dialling in, tunnels to other sites, and secrets that stay where they are."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.tenant.test_networks import make as make_network
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import ZONE, Client, Place
from tests.vpc.parts import make_vpc

PSK = "correct-horse-battery"
OTHER: dict[str, Any] = {
    "name": "branch",
    "gateway": "198.51.100.7",
    "cidrlist": "192.168.7.0/24,192.168.9.0/24",
    "ipsecpsk": PSK,
    "ikepolicy": "aes128-sha1;modp1536",
    "esppolicy": "AES256-sha256;modp2048,aes128-sha1",
}


async def public_range(here: Place) -> None:
    reach = {"gateway": "203.0.113.1", "netmask": "255.255.255.0", "forvirtualnetwork": "true"}
    ends = {"startip": "203.0.113.10", "endip": "203.0.113.20", "zoneid": str(ZONE)}
    await here.admin("createVlanIpRange", vlan="untagged", **reach, **ends)


async def out_by(client: Client, **where: Any) -> Any:
    """The source NAT address of a network or VPC."""
    return await client.one("listPublicIpAddresses", "publicipaddress", issourcenat="true", **where)


async def shred(here: Place, ref: str) -> bool:
    """Is the entry of the vault gone?"""
    try:
        await here.controller.vault.get(UUID(ref))
    except KeyError:
        return True
    return False


async def log_of(here: Place) -> bytes:
    stored = await here.controller.engine._log.read_stored()
    return b"".join(row.state for row in stored)


async def test_people_dial_in(here: Place) -> None:
    await public_range(here)
    network = await make_network(here.ann, name="n", gateway="10.7.0.1", netmask="255.255.255.0")
    await deploy(here.ann, networkids=network["id"])
    address = await out_by(here.ann, associatednetworkid=network["id"])
    where = {"publicipid": address["id"]}
    for bad, told in (
        ("10.7.0.5-10.7.0.9", "overlaps 10.7.0.0/24"),
        ("10.1.2.9-10.1.2.1", "two addresses at least"),
        ("8.8.8.1-8.8.8.9", "not private"),
        ("x", "no IPv4 address"),
    ):
        error = await refusal(here.ann, "createRemoteAccessVpn", iprange=bad, **where)
        assert (error["errorcode"], told in error["errortext"]) == (431, True), error
    made = (await here.ann.job("createRemoteAccessVpn", **where))["remoteaccessvpn"]
    elsewhere = {"id": network["id"], "sourcenatipaddress": "203.0.113.12"}
    error = await refusal(here.ann, "updateNetwork", **elsewhere)
    assert (error["errorcode"], "people dial in at" in error["errortext"]) == (536, True), error
    less = await here.admin(
        "createNetworkOffering", name="less", displaytext="less", guestiptype="Isolated",
        traffictype="Guest", supportedservices="Dhcp,SourceNat,Firewall",
        **{f"serviceproviderlist[{n}].{k}": v
           for n, s in enumerate(("Dhcp", "SourceNat", "Firewall"))
           for k, v in (("service", s), ("provider", "VirtualRouter"))},
    )  # fmt: skip
    other = {"id": network["id"], "networkofferingid": less["networkoffering"]["id"]}
    await here.admin("updateNetworkOffering", id=other["networkofferingid"], state="Enabled")
    error = await refusal(here.ann, "updateNetwork", **other)
    assert "has no Vpn" in error["errortext"], error
    assert (made["iprange"], made["state"]) == ("10.1.2.1-10.1.2.8", "Running")
    assert "presharedkey" not in made
    seen = await here.ann.one("listRemoteAccessVpns", "remoteaccessvpn", **where)
    key = seen["presharedkey"]
    assert len(key) == 24 and key.encode() not in await log_of(here)
    rules = (await here.ann("listFirewallRules", ipaddressid=address["id"]))["firewallrule"]
    assert {(one["protocol"], int(one["startport"])) for one in rules} == {
        ("udp", 500),
        ("udp", 1701),
        ("udp", 4500),
    }
    error = await refusal(here.ann, "createRemoteAccessVpn", **where)
    assert "already exists" in error["errortext"]
    error = await refusal(here.bob, "createRemoteAccessVpn", **where)
    assert gone(error, "publicipid", address["id"])
    assert await here.bob("listRemoteAccessVpns", listall="true") == {}
    await here.ann.job("deleteRemoteAccessVpn", **where)
    assert await here.ann("listRemoteAccessVpns") == {}
    assert await here.ann("listFirewallRules", ipaddressid=address["id"]) == {}


async def test_who_may_dial_in(here: Place) -> None:
    password = "Open.Sesame1"
    for number in range(8):
        await here.ann.job("addVpnUser", username=f"user{number}", password=password)
    error = await refusal(here.ann, "addVpnUser", username="user9", password=password)
    assert "at most 8 VPN users" in error["errortext"]
    error = await refusal(here.ann, "addVpnUser", username="a", password=password)
    assert "3 to 64 letters" in error["errortext"]
    row = next(iter(here.controller.cloud.table("vpn_user")))
    await here.ann.job("removeVpnUser", username="user0")
    assert await shred(here, row.password_ref)
    error = await refusal(here.ann, "removeVpnUser", username="user0")
    assert "Could not find VPN user user0" in error["errortext"]
    error = await refusal(here.ann, "addVpnUser", username="user1", password=password)
    assert "already exists" in error["errortext"]
    found = await here.ann("listVpnUsers")
    assert found["count"] == 7 and password not in str(found)
    assert await here.bob("listVpnUsers", listall="true") == {}
    assert password.encode() not in await log_of(here)


async def test_a_tunnel_to_another_site(here: Place) -> None:
    await public_range(here)
    vpc = await make_vpc(here.ann)
    ours = (await here.ann.job("createVpnGateway", vpcid=vpc["id"]))["vpngateway"]
    assert ours["publicip"] == (await out_by(here.ann, vpcid=vpc["id"]))["ipaddress"]
    error = await refusal(here.ann, "createVpnGateway", vpcid=vpc["id"])
    assert "already exists" in error["errortext"]
    other = (await here.ann.job("createVpnCustomerGateway", **OTHER))["vpncustomergateway"]
    assert other["esppolicy"] == "aes256-sha256;modp2048,aes128-sha1"
    assert (other["ikelifetime"], other["esplifetime"], other["ikeversion"]) == (86400, 3600, "ike")
    seen = await here.ann.one("listVpnCustomerGateways", "vpncustomergateway", id=other["id"])
    assert seen["ipsecpsk"] == PSK
    ends = {"s2svpngatewayid": ours["id"], "s2scustomergatewayid": other["id"]}
    tunnel = (await here.ann.job("createVpnConnection", passive="true", **ends))["vpnconnection"]
    assert (tunnel["gateway"], tunnel["state"], tunnel["passive"]) == (
        "198.51.100.7",
        "Disconnected",
        True,
    )
    await here.ann.job("resetVpnConnection", id=tunnel["id"])
    near = await here.ann.job("createVpnCustomerGateway", **(OTHER | {"name": "near"}))
    wrong = ends | {"s2scustomergatewayid": near["vpncustomergateway"]["id"]}
    error = await refusal(here.ann, "createVpnConnection", **wrong)
    assert "overlaps 192.168.7.0/24 of customer gateway branch" in error["errortext"]
    for command, row in (("deleteVpnGateway", ours), ("deleteVpnCustomerGateway", other)):
        error = await refusal(here.ann, command, id=row["id"])
        assert error["errorcode"] == 536, command
    inside = OTHER | {"id": other["id"], "cidrlist": "10.4.7.0/24"}
    error = await refusal(here.ann, "updateVpnCustomerGateway", **inside)
    assert "of VPC v" in error["errortext"]
    ref = here.controller.cloud.table("vpn_customer_gateway")[UUID(other["id"])].psk_ref
    changed = OTHER | {"id": other["id"], "ipsecpsk": "another-key", "dpd": "true"}
    told = await here.ann.job("updateVpnCustomerGateway", **changed)
    assert told["vpncustomergateway"]["dpd"] is True and await shred(here, ref)
    seen = await here.ann.one("listVpnCustomerGateways", "vpncustomergateway", id=other["id"])
    assert seen["ipsecpsk"] == "another-key"
    written = await log_of(here)
    assert PSK.encode() not in written and b"another-key" not in written
    await here.ann.job("deleteVPC", id=vpc["id"])
    assert await here.ann("listVpnConnections") == {} == await here.ann("listVpnGateways")
    await here.ann.job("deleteVpnCustomerGateway", id=other["id"])


async def test_an_agreement_is_checked(here: Place) -> None:
    for more, told in (
        ({"ikepolicy": "aes128-sha1"}, "ikepolicy"),
        ({"ikepolicy": "rot13-sha1;modp1536"}, "ciphers"),
        ({"esppolicy": "aes128-sha1;modp1"}, "esppolicy"),
        ({"cidrlist": "192.168.0.0/16,192.168.7.0/24"}, "leave one out"),
        ({"cidrlist": "192.168.0.1/16"}, "no subnet"),
        ({"gateway": "not a host"}, "no address and no host name"),
        ({"ikelifetime": 86401}, "not from 1 to 86400"),
        ({"esplifetime": 0}, "not from 1 to 86400"),
        ({"ikeversion": "ikev3"}, "ike, ikev1, ikev2"),
    ):
        error = await refusal(here.ann, "createVpnCustomerGateway", **(OTHER | more))
        assert error["errorcode"] == 431 and told.lower() in error["errortext"].lower(), error
    vpc = await make_vpc(here.ann)
    error = await refusal(here.ann, "createVpnGateway", vpcid=vpc["id"])
    assert "no source NAT address" in error["errortext"]
