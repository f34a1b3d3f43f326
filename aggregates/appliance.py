"""What an appliance (OVF, DMTF's DSP0243) says of itself, and what it takes from who deploys it.

A property has a type and qualifiers; a value that they forbid is refused with the property's name
and what would do. A default of a password is not taken over: everybody can read the descriptor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from uuid import UUID

import msgspec

from aggregates.errors import Invalid

WHOLE = {f"{sign}int{bits}": bits for sign in ("u", "s") for bits in (8, 16, 32, 64)}
REALS = ("real32", "real64")
LENGTH_MAX = 65_535
PARTS_MAX = 16
TEXT = ("string", "password")
# A quoted word of a ValueMap; a quote inside it has a backslash before it.
QUOTED = r'"(?:[^"\\]|\\.)*"'
WORD = re.compile(QUOTED, re.DOTALL)
NUMBER = re.compile(r"\b(MinLen|MaxLen|MinValue|MaxValue)\s*[({]\s*(-?[0-9]{1,20})\s*[)}]", re.I)
MAP = re.compile(
    rf"\bValueMap\s*[({{]\s*({QUOTED}(?:\s*,\s*{QUOTED})*)\s*[)}}]", re.IGNORECASE | re.DOTALL
)


def part_id(image_id: UUID, part: int) -> UUID:
    """What pools call a disk of an appliance; the first goes by the image's own id."""
    return UUID(int=image_id.int ^ part)


def images_of_part(kept_id: UUID) -> list[UUID]:
    """The images that what a pool keeps may be a part of; itself first."""
    return [UUID(int=kept_id.int ^ part) for part in range(PARTS_MAX)]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A disk. Without a `file` it is blank."""

    file: str = ""
    size_bytes: int = 0


class Property(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a guest may be told. `values` are defaults that other configurations have."""

    key: str
    name: str
    class_id: str = ""
    instance_id: str = ""
    type: str = "string"
    qualifiers: str = ""
    value: str = ""
    values: dict[str, str] = msgspec.field(default_factory=dict)
    label: str = ""
    description: str = ""
    category: str = ""
    is_configurable: bool = False
    is_password: bool = False
    index: int = 0

    def default(self, configuration: str = "") -> str:
        return self.values.get(configuration, self.value)

    def wrong(self, value: str) -> str:
        """What is wrong with a value, and what would do; empty for a good one."""
        return self._of_type(value) or self._qualified(value)

    def _of_type(self, value: str) -> str:
        kind = self.type.lower().partition("(")[0]
        if len(value) > LENGTH_MAX or "\0" in value:
            return f"give at most {LENGTH_MAX} characters, none of them a NUL"
        if kind == "boolean":
            return "" if value.lower() in ("true", "false") else "give True or False"
        if kind in WHOLE or kind == "int":
            return _whole(value, kind)
        if kind in REALS:
            fits = re.fullmatch(r"[+-]?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?", value)
            return "" if fits else "give a number like 1.5"
        if kind == "ip" and value:
            return "" if _is_address(value) else "give an address like 192.0.2.7"
        return ""

    def _qualified(self, value: str) -> str:
        said = {
            name.lower(): int(number)
            for name, number in NUMBER.findall(WORD.sub("", self.qualifiers))
        }
        allowed = self.allowed
        if allowed and value not in allowed:
            return f"give one of {', '.join(repr(one) for one in allowed)}"
        if len(value) < said.get("minlen", 0):
            return f"give at least {said['minlen']} characters"
        if len(value) > said.get("maxlen", LENGTH_MAX):
            return f"give at most {said['maxlen']} characters"
        if re.fullmatch(r"[+-]?[0-9]{1,20}", value) and self.type.lower() not in TEXT:
            if int(value) < said.get("minvalue", int(value)):
                return f"give at least {said['minvalue']}"
            if int(value) > said.get("maxvalue", int(value)):
                return f"give at most {said['maxvalue']}"
        return ""

    @property
    def allowed(self) -> tuple[str, ...]:
        """The only values that it may have; empty for any."""
        found = MAP.search(self.qualifiers)
        words = WORD.findall(found[1]) if found else []
        return tuple(re.sub(r"\\(.)", r"\1", one[1:-1], flags=re.DOTALL) for one in words)


class Card(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network card, and the network of the appliance's own that it is on."""

    network: str
    instance_id: int
    name: str = ""
    description: str = ""
    network_description: str = ""
    address_on_parent: int = 0
    is_automatic: bool = False
    model: str = ""


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the virtual hardware, as CIM's resource allocation has it."""

    instance_id: str
    resource_type: int
    name: str = ""
    description: str = ""
    quantity: int = 0
    units: str = ""
    model: str = ""
    address: str = ""
    address_on_parent: str = ""
    parent: str = ""
    host_resource: str = ""
    configurations: tuple[str, ...] = ()


class Configuration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    label: str = ""
    description: str = ""
    index: int = 0
    is_default: bool = False


class Eula(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    info: str
    text: str
    index: int = 0


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A property of a guest. The value of one that `is_sealed` is not here."""

    key: str
    name: str
    class_id: str = ""
    instance_id: str = ""
    type: str = "string"
    label: str = ""
    category: str = ""
    value: str = ""
    is_sealed: bool = False


class Deployed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a guest has of the appliance that it was made of, for all its life."""

    os_id: str = ""
    controller: str = ""
    cards: tuple[str, ...] = ()
    product: str = ""
    vendor: str = ""
    release: str = ""
    transports: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()

    @property
    def is_sealed(self) -> bool:
        return any(one.is_sealed for one in self.told)


class Appliance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of a descriptor that matters to who deploys it. The first disk is the root disk."""

    name: str = ""
    product: str = ""
    vendor: str = ""
    release: str = ""
    os_id: str = ""
    os_name: str = ""
    hardware_version: str = ""
    firmware: str = ""
    controller: str = ""
    transports: tuple[str, ...] = ()
    disks: tuple[Part, ...] = ()
    properties: tuple[Property, ...] = ()
    cards: tuple[Card, ...] = ()
    items: tuple[Item, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    eulas: tuple[Eula, ...] = ()

    def configuration(self, wanted: str) -> str:
        """The one that was asked for, else the default one; empty if there is none at all."""
        known = [one.id for one in self.configurations]
        if wanted and wanted not in known:
            raise Invalid(
                f"appliance {self.name} has no configuration {wanted}: "
                + (f"give one of {', '.join(known)}" if known else "leave configurationId out"),
                field="details",
            )
        default = next((one.id for one in self.configurations if one.is_default), "")
        return wanted or default or (known[0] if known else "")

    def deploy(self, given: Mapping[str, str], wanted: str = "") -> tuple[Deployed, dict[str, str]]:
        """What a guest is told; the values of passwords are apart, to be sealed."""
        configuration = self.configuration(wanted)
        rest, told, secrets = dict(given), [], dict[str, str]()
        for one in self.properties:
            value = self._value(one, rest, configuration)
            if one.is_password and value:
                secrets[one.name] = value
            same = {name: getattr(one, name) for name in SAME}
            sealed = one.is_password and bool(value)
            told.append(Told(**same, value="" if sealed else value, is_sealed=sealed))
        if rest:
            known = ", ".join(one.key for one in self.properties if one.is_configurable) or "none"
            raise Invalid(
                f"appliance {self.name} has no property {min(rest)}: it takes {known}",
                field="properties",
            )
        deployed = Deployed(
            os_id=self.os_id,
            controller=self.controller,
            cards=tuple(card.model for card in self.cards),
            product=self.product,
            vendor=self.vendor,
            release=self.release,
            transports=self.transports,
            told=tuple(told),
        )
        return deployed, secrets

    def _value(self, one: Property, rest: dict[str, str], configuration: str) -> str:
        """A property's value: what was given, else its default. What was given is taken out."""
        unique = sum(other.key == one.key for other in self.properties) == 1
        names = [one.name, one.key] if unique else [one.name]
        given = [rest.pop(name) for name in dict.fromkeys(names) if name in rest]
        default = one.default(configuration)
        if given and not one.is_configurable:
            raise Invalid(
                f"property {one.name} of appliance {self.name} is not for its users: leave it out",
                field="properties",
            )
        value = given[0] if given else default
        wrong = one.wrong(value) if given or one.is_configurable else ""
        if wrong:
            shown = "" if one.is_password or not given else f" {value[:80]!r}"
            said = f"is wrong{shown}" if given else "must be given, as it has no default that fits"
            raise Invalid(
                f"property {one.name} of appliance {self.name} {said}: {wrong}", field="properties"
            )
        return value


SAME = ("key", "name", "class_id", "instance_id", "type", "label", "category")


def _whole(value: str, kind: str) -> str:
    bits = WHOLE.get(kind, 32)
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    high = high if kind.startswith("u") else high - 1
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", value) or not low <= int(value) <= high:
        return f"give a whole number from {low} to {high}"
    return ""


def _is_address(value: str) -> bool:
    for kind in (IPv4Address, IPv6Address):
        try:
            kind(value)
        except (AddressValueError, ValueError):
            continue
        return True
    return False
