"""Pure: how a host's URL says that it is reached, for libvirt and for commands.

A libvirt URL says it outright. `http://HOST` is how clients of the API name a KVM host: that is
SSH to HOST. Over SSH we never use libvirt's own transport, which needs a key file and an `ssh`
program; we carry libvirt's socket through our own SSH connection, which takes passwords too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused

SSH_PORT = 22


class Transport(StrEnum):
    """`LOCAL`: this machine. `NATIVE`: libvirt's own TCP or TLS. `SSH`: inside our SSH."""

    LOCAL = "local"
    NATIVE = "native"
    SSH = "ssh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A URL, understood. `uri` is libvirt's where it can dial by itself, else empty."""

    transport: Transport
    uri: str = ""
    host: str = ""
    ssh_port: int = SSH_PORT
    username: str = "root"
    socket: str = ""

    @property
    def peer_uri(self) -> str:
        """The URI for another host's libvirt to dial; empty where only we have a way in."""
        return self.uri if self.transport is Transport.NATIVE else ""

    @property
    def data_host(self) -> str:
        """The name under which other hosts reach this one; empty if only we call it so."""
        if self.host == "localhost" or self.host.startswith("127.") or self.host == "::1":
            return ""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return self.host or "this machine"


def read_address(address: HostAddress, scheme: str = "qemu") -> Route:
    """The route of a host. Refused: a URL that this driver can never use, or one with a secret.

    `scheme` is libvirt's name for the kind of hypervisor: qemu, lxc or xen.
    """
    url = urlsplit(address.url)
    if url.password is not None:
        raise Refused("a host's URL must not hold a password: give it as the password")
    try:
        port = url.port
    except ValueError as error:
        raise Refused(f"host URL {address.url!r}: {error}") from None
    username = address.username or url.username or "root"
    socket = parse_qs(url.query).get("socket", [""])[0]
    if url.scheme in (scheme, f"{scheme}+unix") and not url.hostname:
        return Route(transport=Transport.LOCAL, uri=address.url)
    if url.scheme in (f"{scheme}+tcp", f"{scheme}+tls") and url.hostname:
        return Route(
            transport=Transport.NATIVE, uri=address.url, host=url.hostname, username=username
        )
    if url.scheme in (f"{scheme}+ssh", "http", "https") and url.hostname:
        return Route(
            transport=Transport.SSH,
            host=url.hostname,
            ssh_port=port or SSH_PORT,
            username=username,
            socket=socket,
        )
    raise Refused(
        f"host URL {address.url!r} names no libvirt host: use {scheme}:///system, {scheme}+ssh://, "
        f"{scheme}+tls://, {scheme}+tcp:// or http://HOST"
    )
