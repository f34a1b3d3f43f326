"""A machine's URL says all that there is to know to reach it and to boot it over the network.

    ipmi://bmc[:623]/?mac=52:54:00:00:00:01&provision=br-prov
    redfish://bmc[:443][/redfish/v1/Systems/1]?mac=...&provision=...
    redfish+http://...                     the same without TLS, for a laboratory

`mac` is the card that boots over the network, `provision` the controller's interface on that
network, whose address and size are the machine's own to find. See `docs/drivers/baremetal.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused

SCHEMES = {"ipmi": 623, "redfish": 443, "redfish+http": 80}
FORMS = (
    "write ipmi://BMC/?mac=MAC&provision=INTERFACE, or redfish://BMC/redfish/v1/Systems/ID"
    "?mac=MAC&provision=INTERFACE"
)
MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
INTERFACE = re.compile(r"[\w.-]{1,15}")
ALIVE = ("power", "dhcp")
KNOWN = frozenset(
    (
        *("mac", "provision", "http", "dhcp", "alive", "uefi", "root", "erase"),
        *("bios", "raid", "name", "boot_s", "install_s", "pin", "privilege"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """A machine as its URL names it.

    `alive` is what counts as a sign of life of a started guest: `power` (it is on and did not come
    back to the network's boot) or `dhcp` (its system asked for an address). `erase` lets disks
    that hold something of nobody's be wiped. `root` names the disk that the firmware boots from.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str
    mac: str
    provision: str
    username: str
    password: str = field(repr=False)
    name: str = ""
    http_port: int = 8087
    dhcp: bool = True
    alive: str = "power"
    uefi: bool = False
    root: str = ""
    erase: bool = False
    bios: tuple[tuple[str, str], ...] = ()
    raid: str = ""
    boot_s: float = 300.0
    install_s: float = 3600.0
    privilege: int = 4
    pin: str = ""

    @property
    def is_redfish(self) -> bool:
        return self.scheme != "ipmi"

    @property
    def node(self) -> str:
        """A name for the machine that is a file name too, and stays while its BMC's does."""
        path = re.sub(r"[^\w.-]+", "_", self.path.removeprefix("/redfish/v1/Systems")).strip("_")
        return "-".join(part for part in (self.host, str(self.port), path) if part)


def parse(address: HostAddress) -> NodeAddress:
    """Refused says which part is wrong and how it is written."""
    parts = urlsplit(address.url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise Refused(f"{address.url!r} names no BMC: {FORMS}")
    if unknown := sorted(set(asked) - KNOWN):
        known = ", ".join(sorted(KNOWN))
        raise Refused(f"{unknown[0]} in {address.url!r} means nothing here; known are {known}")
    mac = asked.get("mac", "").lower().replace("-", ":")
    if not MAC.fullmatch(mac):
        raise Refused(f"mac={mac!r} is no MAC address of the card that boots: {FORMS}")
    if not INTERFACE.fullmatch(asked.get("provision", "")):
        raise Refused(f"provision= must name the controller's provisioning interface: {FORMS}")
    alive = asked.get("alive", "power")
    if alive not in ALIVE:
        raise Refused(f"alive={alive} is not one of {', '.join(ALIVE)}")
    dhcp = _yes(asked, "dhcp", True)
    if alive == "dhcp" and not dhcp:
        raise Refused("alive=dhcp with dhcp=no: another's DHCP tells us of no system; drop alive=")
    try:
        port = parts.port or SCHEMES[parts.scheme]
    except ValueError as error:
        raise Refused(f"the port in {address.url!r} is no number: {FORMS}") from error
    return NodeAddress(
        url=address.url,
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        path=unquote(parts.path).rstrip("/"),
        mac=mac,
        provision=asked["provision"],
        username=address.username,
        password=address.password,
        name=asked.get("name", ""),
        http_port=_number(asked, "http", 8087),
        dhcp=dhcp,
        alive=alive,
        uefi=_yes(asked, "uefi", False),
        root=asked.get("root", ""),
        erase=_yes(asked, "erase", False),
        bios=_pairs(asked.get("bios", "")),
        raid=asked.get("raid", ""),
        boot_s=float(_number(asked, "boot_s", 300)),
        install_s=float(_number(asked, "install_s", 3600)),
        privilege=_number(asked, "privilege", 4),
    )


def with_path(address: HostAddress, path: str, mac: str) -> HostAddress:
    """The same BMC's URL for one of its systems."""
    parts = urlsplit(address.url)
    query = [(k, v) for k, v in parse_qsl(parts.query) if k != "mac"] + [("mac", mac)]
    text = "&".join(f"{k}={quote(v, safe=':,/')}" for k, v in query)
    return HostAddress(
        url=f"{parts.scheme}://{parts.netloc}{quote(path)}?{text}",
        username=address.username,
        password=address.password,
        private_key=address.private_key,
    )


def _yes(asked: Mapping[str, str], name: str, default: bool) -> bool:
    said = asked.get(name, "yes" if default else "no").lower()
    if said not in ("yes", "no", "1", "0", "on", "off", "true", "false"):
        raise Refused(f"{name}={said} is neither yes nor no")
    return said in ("yes", "1", "on", "true")


def _number(asked: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(asked.get(name, default))
    except ValueError as error:
        raise Refused(f"{name}={asked[name]} is no number") from error


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`bios=Attribute:Value,Attribute:Value`."""
    pairs = [tuple(one.split(":", 1)) for one in text.split(",") if one]
    if any(len(one) != 2 for one in pairs):
        raise Refused(f"bios={text} is not of the form Attribute:Value,Attribute:Value")
    return tuple((one[0], one[1]) for one in pairs)
