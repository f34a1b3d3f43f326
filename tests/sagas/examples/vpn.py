"""Examples of the sagas of VPNs: each has a secret to shred."""

from __future__ import annotations

from typing import Any

from engine.intents.public_ip_address import AllocateAddress
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.vpn import (
    ChangeCustomerGateway,
    CloseRemoteAccess,
    RemoveCustomerGateway,
    RemoveVpnUser,
)
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, ZONE, named


async def _make(rig: Rig, kind: str, **fields: Any) -> None:
    owned = {"account_id": ACCOUNT, "domain_id": DOMAIN}
    ask = CreateRecord(kind=kind, id=named(f"a {kind}"), fields=owned | fields)
    await rig.engine.decide(ask, rig.by)


async def _user(rig: Rig) -> object:
    ref = str(await rig.vault.put("password"))
    await _make(rig, "vpn_user", username="somebody", password_ref=ref)
    return RemoveVpnUser(id=named("a vpn_user"))


async def _other_end(rig: Rig) -> None:
    await _make(
        rig,
        "vpn_customer_gateway",
        name="branch",
        gateway="198.51.100.7",
        cidrs=["192.168.7.0/24"],
        psk_ref=str(await rig.vault.put("key")),
        ike_policy="aes128-sha1;modp1536",
        esp_policy="aes128-sha1",
    )


async def _change(rig: Rig) -> object:
    await _other_end(rig)
    fields = {"psk_ref": str(await rig.vault.put("another"))}
    return ChangeCustomerGateway(id=named("a vpn_customer_gateway"), fields=fields)


async def _remove(rig: Rig) -> object:
    await _other_end(rig)
    return RemoveCustomerGateway(id=named("a vpn_customer_gateway"))


async def _close(rig: Rig) -> object:
    offering = {"name": "v", "services": {"Vpn": ["VpcVirtualRouter"]}, "state": "Enabled"}
    made = CreateRecord(kind="vpc_offering", id=named("a vpc_offering"), fields=offering)
    await rig.engine.decide(made, rig.by)
    vpc = {"name": "v", "display_text": "v", "zone_id": ZONE, "cidr": "10.4.0.0/16"}
    vpc |= {"offering_id": named("a vpc_offering"), "services": offering["services"]}
    await _make(rig, "vpc", **vpc)
    address = AllocateAddress(
        id=named("a public_ip_address"),
        account_id=ACCOUNT,
        domain_id=DOMAIN,
        zone_id=ZONE,
        vpc_id=named("a vpc"),
    )
    await rig.engine.decide(address, rig.by)
    goes_out = {"is_source_nat": True}
    ask = UpdateRecord(kind="public_ip_address", id=address.id, fields=goes_out)
    await rig.engine.decide(ask, rig.by)
    await _make(
        rig,
        "remote_access_vpn",
        public_ip_address_id=named("a public_ip_address"),
        vpc_id=named("a vpc"),
        ip_range="10.1.2.1-10.1.2.8",
        psk_ref=str(await rig.vault.put("key")),
    )
    return CloseRemoteAccess(id=named("a remote_access_vpn"))


EXAMPLES = {
    "vpn_user.remove:1": _user,
    "vpn_customer_gateway.change:1": _change,
    "vpn_customer_gateway.remove:1": _remove,
    "remote_access_vpn.close:1": _close,
}
