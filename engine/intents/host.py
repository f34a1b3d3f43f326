"""What may be asked of hosts. Passwords are sealed before an intent is made."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field


class AddHost(Struct, frozen=True, kw_only=True):
    """Reach a host and let guests run on it. Without a cluster id, a cluster by name is made."""

    id: UUID
    name: str
    url: str
    hypervisor: str
    zone_id: UUID
    pod_id: UUID
    cluster_id: UUID
    new_cluster: str = ""
    username: str = ""
    password_ref: str = ""
    tags: list[str] = field(default_factory=list)
    enabled: bool = True


class AddHosts(Struct, frozen=True, kw_only=True):
    """Add the hosts that one address stands for: all of them, or none."""

    cluster_id: UUID
    hosts: list[AddHost]
    new_cluster: str = ""


class UpdateHost(Struct, frozen=True, kw_only=True):
    """None leaves it as it is."""

    id: UUID
    name: str | None = None
    url: str | None = None
    tags: list[str] | None = None
    enabled: bool | None = None


class RemoveHost(Struct, frozen=True, kw_only=True):
    """`forced` stops its guests first; otherwise they must be gone."""

    id: UUID
    forced: bool = False


class ReconnectHost(Struct, frozen=True, kw_only=True):
    """Let go of the connection, make a new one, and ask the host again what it is."""

    id: UUID


class PrepareHost(Struct, frozen=True, kw_only=True):
    """Move every guest away, so that the host can be worked on."""

    id: UUID


class EndMaintenance(Struct, frozen=True, kw_only=True):
    id: UUID


class HostLost(Struct, frozen=True, kw_only=True):
    """Nobody reaches the host. It offers nothing until it answers again."""

    id: UUID
    why: str


class SignIn(Struct, frozen=True, kw_only=True):
    """Who to be on one host from now on, and who the controller is there until now."""

    host_id: UUID
    username: str
    password_ref: str
    old_username: str
    old_password_ref: str


class ChangeSignIn(Struct, frozen=True, kw_only=True):
    """Sign in on these hosts in another way: on all of them, or on none."""

    hosts: list[SignIn]


class SupplyHosts(Struct, frozen=True, kw_only=True):
    """Say again what these hosts offer, as their pod or their cluster has changed."""

    ids: list[UUID]
