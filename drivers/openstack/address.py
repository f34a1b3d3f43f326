"""Pure: how a host's URL names a region of OpenStack, a project in it, and one compute host.

    openstack://keystone.example:5000/v3?region=RegionOne&project=cloud[&host=compute1]
    openstack+http://...        without TLS

Without `host` it is the region: all its compute hosts where the credentials may see them, else
the project's share of the region as if it were one host.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode, urlsplit

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused
from drivers.kit.tls import Trust, split_pin, with_pin

SCHEMES = {"openstack": "https", "openstack+https": "https", "openstack+http": "http"}
FORM = "openstack://KEYSTONE:PORT/v3?region=REGION&project=PROJECT"
KNOWN = ("region", "project", "project_domain", "host", "network", "interface")
INTERFACES = ("public", "internal", "admin")
PLAIN = Trust()


@dataclass(frozen=True, slots=True)
class Region:
    """A region as one user sees it in one project; `host` is one compute service in it.

    `network` carries cards whose network has no label. The password is in none of this.
    """

    scheme: str
    keystone: str
    name: str
    project: str
    user: str
    project_domain: str = "Default"
    user_domain: str = "Default"
    host: str = ""
    network: str = ""
    interface: str = "public"
    trust: Trust = PLAIN

    @property
    def whole(self) -> Region:
        """The same region without its host: what sessions of all its hosts share."""
        return replace(self, host="", network="")

    def url(self, host: str) -> str:
        """The address of one of its hosts, always spelt alike."""
        asked = {
            "region": self.name,
            "project": self.project,
            "project_domain": "" if self.project_domain == "Default" else self.project_domain,
            "network": self.network,
            "interface": "" if self.interface == "public" else self.interface,
            "host": host,
        }
        query = urlencode({name: value for name, value in asked.items() if value})
        where = self.keystone.split("://", 1)[1]
        return with_pin(f"{self.scheme}://{where}?{query}", self.trust)


def read(address: HostAddress) -> Region:
    """The region that an address names; Refused with the form that it should have."""
    plain, trust = split_pin(address.url)
    parts = urlsplit(plain)
    query = dict(parse_qsl(parts.query))
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise Refused(f"{plain!r} is no OpenStack region: it is written {FORM}")
    if unknown := sorted(set(query) - set(KNOWN)):
        raise Refused(f"{unknown[0]!r} says nothing in {plain!r}: there is {', '.join(KNOWN)}")
    for name in ("region", "project"):
        if not query.get(name):
            raise Refused(f"{plain!r} names no {name}: it is written {FORM}")
    if query.get("interface", "public") not in INTERFACES:
        raise Refused(f"the interface in {plain!r} is one of {', '.join(INTERFACES)}")
    if not address.username or not address.password:
        raise Refused(f"{plain} needs a username (user or user@domain) and a password")
    user, _, domain = address.username.partition("@")
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise Refused(f"{plain!r} has no usable port: {error}") from error
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Region(
        scheme=parts.scheme,
        keystone=f"{SCHEMES[parts.scheme]}://{name}{port}{parts.path.rstrip('/') or '/v3'}",
        name=query["region"],
        project=query["project"],
        user=user,
        project_domain=query.get("project_domain", "Default"),
        user_domain=domain or "Default",
        host=query.get("host", ""),
        network=query.get("network", ""),
        interface=query.get("interface", "public"),
        trust=trust,
    )
