"""Remote access: addresses at which people dial in, and who may."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.declare import Caller, Job, Names, Page, Roles, Success, command
from api.errors import InvalidValue
from api.lists import Displayed, Filter, list_command
from api.revealed import with_secrets
from api.scope import owner_for
from api.views.vpn import RemoteAccessVpnView, VpnUserView
from engine.intents.vpn import CloseRemoteAccess, OpenRemoteAccess, RemoveVpnUser
from projections.public_ip_address import public_ip_addresses
from projections.setting import value_of
from projections.vpn import remote_access_vpns, vpn_users

KIND, USER = "remote_access_vpn", "vpn_user"
KEY_LENGTH = 24
USERNAME = r"[A-Za-z0-9][A-Za-z0-9@._-]{2,63}"
PASSWORD = r"[A-Za-z0-9][A-Za-z0-9@+=._-]{2,31}"


@command(
    "createRemoteAccessVpn",
    returns=RemoteAccessVpnView,
    key="remoteaccessvpn",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VPN.REMOTE.ACCESS.CREATE",
)
class CreateRemoteAccessVpn:
    """Let the account's VPN users dial in at the source NAT address of a network or VPC."""

    public_ip_id: Annotated[UUID, "that address", Names("public_ip_address", right="operate")]
    ip_range: Annotated[str | None, "addresses for those who dial in: 10.1.2.1-10.1.2.8"] = None
    open_firewall: Annotated[bool | None, "false leaves the address's firewall as it is"] = None
    account: Annotated[str | None, "ignored: it is the address's owner's"] = None
    domain_id: Annotated[UUID | None, "ignored", Names("domain", "see")] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        address = caller.cloud[public_ip_addresses][self.public_ip_id]
        usual = value_of(caller.cloud, "remote.access.vpn.client.iprange")
        ask = OpenRemoteAccess(
            id=caller.new_id(),
            opens=self.open_firewall is not False,
            fields={
                "public_ip_address_id": address.id,
                "account_id": address.account_id,
                "domain_id": address.domain_id,
                "ip_range": self.ip_range or usual,
                "psk_ref": await caller.seal(caller.random_id().hex[:KEY_LENGTH]),
                "is_displayed": self.for_display is not False,
            },
        )
        return await records.as_job(caller, ask, KIND, ask.id)


@command(
    "updateRemoteAccessVpn",
    returns=RemoteAccessVpnView,
    key="remoteaccessvpn",
    allow="ARDU",
    is_async=True,
    action="VPN.REMOTE.ACCESS.UPDATE",
)
class UpdateRemoteAccessVpn(KeepsId):
    """Show a remote access VPN to its owner, or hide it."""

    id: Annotated[UUID, "the VPN", Names(KIND, right="operate")]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, is_displayed="for_display")
        return await records.update(caller, KIND, self.id, fields)


@command(
    "deleteRemoteAccessVpn",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="VPN.REMOTE.ACCESS.DESTROY",
)
class DeleteRemoteAccessVpn:
    """Let nobody dial in at an address any more; the shared key is forgotten for good."""

    public_ip_id: Annotated[UUID, "that address", Names("public_ip_address", right="operate")]

    async def run(self, caller: Caller) -> Job:
        row = caller.cloud[remote_access_vpns].one("public_ip_address_id", self.public_ip_id)
        if row is None:
            raise InvalidValue(f"there is no remote access VPN at address {self.public_ip_id}")
        return await caller.submit(CloseRemoteAccess(id=row.id))


@list_command(
    "listRemoteAccessVpns",
    view=RemoteAccessVpnView,
    table=remote_access_vpns,
    key="remoteaccessvpn",
    keyword=("ip_range",),
)
class ListRemoteAccessVpns(Displayed):
    """List remote access VPNs with their shared keys."""

    public_ip_id: Annotated[
        UUID | None,
        "the one at this address",
        Names("public_ip_address", right="see"),
        Filter("public_ip_address_id"),
    ] = None
    network_id: Annotated[UUID | None, "the one of this network", Names("network", right="see")] = (
        None
    )
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None

    async def run(self, caller: Caller) -> Page:
        return await with_secrets(self, caller, "preshared_key", "psk_ref")


@command(
    "addVpnUser",
    returns=VpnUserView,
    key="vpnuser",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VPN.USER.ADD",
)
class AddVpnUser:
    """Let somebody dial in to the remote access VPNs of an account."""

    username: Annotated[str, "the name to dial in with: 3 to 64 letters, digits, @._-"]
    password: Annotated[str, "3 to 32 letters, digits, @+=._-; nobody is ever told it"]
    account: Annotated[str | None, "the account"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project", Names("project")] = None

    async def run(self, caller: Caller) -> Job:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        self._check()
        fields: dict[str, Any] = {
            "account_id": account_id,
            "domain_id": domain_id,
            "username": self.username,
            "password_ref": await caller.seal(self.password),
        }
        return await records.create(caller, USER, fields)

    def _check(self) -> None:
        """What routers can read. The password is not repeated."""
        if re.fullmatch(USERNAME, self.username) is None:
            raise InvalidValue(
                f"username {self.username[:64]} cannot be used: 3 to 64 letters, digits and @._-, "
                "of which the first is a letter or digit"
            )
        if re.fullmatch(PASSWORD, self.password) is None:
            raise InvalidValue(
                "the password cannot be used: 3 to 32 letters, digits and @+=._-, of which the "
                "first is a letter or digit"
            )


@command(
    "removeVpnUser",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="VPN.USER.REMOVE",
)
class RemoveVpnUserCommand:
    """Let somebody dial in no more; the password is forgotten for good."""

    username: Annotated[str, "the name that is dialled in with"]
    account: Annotated[str | None, "the account"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project", Names("project")] = None

    async def run(self, caller: Caller) -> Job:
        account_id, _ = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        mine = caller.cloud[vpn_users].by("account_id", account_id)
        row = next((one for one in mine if one.username == self.username), None)
        if row is None:
            raise InvalidValue(f"Could not find VPN user {self.username} of this account")
        return await caller.submit(RemoveVpnUser(id=row.id))


@list_command(
    "listVpnUsers", view=VpnUserView, table=vpn_users, key="vpnuser", keyword=("username",)
)
class ListVpnUsers:
    """List who may dial in."""

    username: Annotated[str | None, "the one of this name"] = None
