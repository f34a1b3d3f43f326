"""What may be asked of hosts. Passwords are sealed before an intent is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AddHost:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AddHosts:
    """Add the hosts that one address stands for: all of them, or none."""

    cluster_id: UUID
    hosts: list[AddHost]
    new_cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHost:
    """None leaves it as it is."""

    id: UUID
    name: str | None = None
    url: str | None = None
    tags: list[str] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveHost:
    """`forced` stops its guests first; otherwise they must be gone."""

    id: UUID
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectHost:
    """Let go of the connection, make a new one, and ask the host again what it is."""

    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareHost:
    """Move every guest away, so that the host can be worked on."""

    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMaintenance:
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLost:
    """Nobody reaches the host. It offers nothing until it answers again."""

    id: UUID
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who to be on one host from now on, and who the controller is there until now."""

    host_id: UUID
    username: str
    password_ref: str
    old_username: str
    old_password_ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSignIn:
    """Sign in on these hosts in another way: on all of them, or on none."""

    hosts: list[SignIn]
