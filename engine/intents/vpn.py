"""What may be asked of VPNs where a sealed secret goes with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from engine.intents.ending import THINGS, ending


class OpenRemoteAccess(Struct, frozen=True, kw_only=True):
    """Let people dial in at a public address; its firewall lets them through if `opens`."""

    id: UUID
    fields: dict[str, Any]
    opens: bool = True


class CloseRemoteAccess(Struct, frozen=True, kw_only=True):
    """Nobody dials in there any more; the shared key is shredded."""

    id: UUID


class RemoveVpnUser(Struct, frozen=True, kw_only=True):
    """Somebody may dial in no more; the password is shredded."""

    id: UUID


class ChangeCustomerGateway(Struct, frozen=True, kw_only=True):
    """Another end, or another agreement with it; a key that is replaced is shredded."""

    id: UUID
    fields: dict[str, Any]


class RemoveCustomerGateway(Struct, frozen=True, kw_only=True):
    """The other end is forgotten, and its key shredded."""

    id: UUID


ending("remote_access_vpn", lambda vpn: CloseRemoteAccess(id=vpn.id), turn=THINGS - 10)
ending("vpn_user", lambda user: RemoveVpnUser(id=user.id))
ending("vpn_customer_gateway", lambda row: RemoveCustomerGateway(id=row.id))
