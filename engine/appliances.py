"""Reads an appliance's descriptor into what deploys go by (DMTF's DSP0243, and VMware's words).

An appliance is kept whole, as it came; each of its disks is a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aggregates.appliance import (
    Appliance,
    Card,
    Configuration,
    Deployed,
    Eula,
    Item,
    Part,
    Property,
)
from drivers.contract.errors import Refused
from drivers.contract.guest_appliance import GuestAppliance, GuestProperty
from drivers.kit import ovf
from drivers.kit.ovf import Node, Package

TEXT_MAX = 256 * 1024
PROPERTIES_MAX = 500
NIC, SCSI = "10", "6"


def look(path: str) -> Appliance:
    """Read and check a whole appliance. Refused: what is wrong with it, and what to do."""
    package = ovf.read(path)
    ovf.verify(path, package)
    return understand(package)


def understand(package: Package) -> Appliance:
    root = package.root
    systems = [one for one in root.children if one.name == "VirtualSystem"]
    if len(systems) != 1:
        raise Refused(
            f"the appliance has {len(systems)} machines: one is taken; pack each by itself"
        )
    system, words = systems[0], _Words(root)
    hardware = next(system.all("VirtualHardwareSection"), Node(""))
    os = next(system.all("OperatingSystemSection"), Node(""))
    products = list(system.all("ProductSection"))
    first = products[0] if products else Node("")
    items = tuple(_item(one) for one in _items(hardware))
    return Appliance(
        name=words.of(system, "Name") or system.get("id"),
        product=words.of(first, "Product"),
        vendor=words.of(first, "Vendor"),
        release=first.of("Version") or first.of("FullVersion"),
        os_id=os.get("vmw:osType").lstrip("*"),
        os_name=words.of(os, "Description"),
        hardware_version=hardware.of("System", "VirtualSystemType"),
        firmware=_firmware(hardware),
        controller=next((one.model for one in items if str(one.resource_type) == SCSI), ""),
        transports=tuple(hardware.get("transport").split()),
        disks=tuple(
            Part(file=one.file.name if one.file else "", size_bytes=one.size_bytes)
            for one in package.disks
        ),
        properties=tuple(_properties(products, words)),
        cards=tuple(_cards(root, hardware, words)),
        items=items,
        configurations=tuple(_configurations(root, words)),
        eulas=tuple(_eulas(system, words)),
    )


def told(deployed: Deployed, secrets: Mapping[str, str]) -> GuestAppliance:
    """What a driver is to tell a guest, with what only the guest may know."""
    return GuestAppliance(
        os_id=deployed.os_id,
        controller=deployed.controller,
        product=deployed.product,
        vendor=deployed.vendor,
        release=deployed.release,
        transports=deployed.transports,
        properties=tuple(
            GuestProperty(
                key=one.key,
                class_id=one.class_id,
                instance_id=one.instance_id,
                type=one.type,
                label=one.label,
                category=one.category,
                value=secrets[one.name] if one.is_sealed else one.value,
            )
            for one in deployed.told
        ),
    )


def _firmware(hardware: Node) -> str:
    """bios, uefi or uefi-secure; empty if nothing is said."""
    said = {one.get("key"): one.get("value").lower() for one in hardware.all("Config")}
    if said.get("firmware") != "efi":
        return said.get("firmware", "")
    return "uefi-secure" if said.get("bootOptions.efiSecureBootEnabled") == "true" else "uefi"


class _Words:
    """Texts in the language that the appliance was written in, or else its first one."""

    def __init__(self, root: Node) -> None:
        self._said = {
            one.get("msgid"): one.text.strip()
            for strings in reversed(list(root.all("Strings")))
            for one in strings.all("Msg")
        }

    def of(self, node: Node, name: str) -> str:
        found = next(node.all(name), None)
        if found is None:
            return ""
        return (self._said.get(found.get("msgid")) or found.text.strip())[:TEXT_MAX]


def _properties(products: list[Node], words: _Words) -> Iterator[Property]:
    keys = [one.get("key") for product in products for one in product.all("Property")]
    if len(keys) > PROPERTIES_MAX:
        raise Refused(f"the appliance has {len(keys)} properties: {PROPERTIES_MAX} at most")
    seen, number = set[str](), 0
    for product in products:
        category = ""
        for one in product.children:
            if one.name == "Category":
                category = one.text.strip()
            if one.name != "Property":
                continue
            made = _property(product, one, category, number, words)
            if not made.key or made.name in seen:
                raise Refused(f"the appliance has property {made.name!r} twice, or without a key")
            seen.add(made.name)
            yield made
            number += 1


def _property(product: Node, one: Node, category: str, number: int, words: _Words) -> Property:
    place = (product.get("class"), one.get("key"), product.get("instance"))
    said = one.get("type", "string")
    kind = said if said.lower() != "string" else one.get("vmw:type", said)
    is_password = one.get("password").lower() == "true" or kind.lower().startswith("password")
    values = {each.get("configuration"): each.get("value") for each in one.all("Value")}
    default = one.get("value") or values.pop("", "")
    qualifiers = " ".join(filter(None, (one.get("qualifiers"), one.get("vmw:qualifiers"))))
    return Property(
        key=one.get("key"),
        name=".".join(filter(None, place)),
        class_id=place[0],
        instance_id=place[2],
        type=kind,
        qualifiers=qualifiers,
        value="" if is_password else default,
        values={} if is_password else values,
        label=words.of(one, "Label"),
        description=words.of(one, "Description"),
        category=category,
        is_configurable=one.get("userConfigurable").lower() in ("true", "1"),
        is_password=is_password,
        index=number,
    )


def _items(hardware: Node) -> list[Node]:
    kinds = ("Item", "StorageItem", "EthernetPortItem")
    return [one for one in hardware.children if one.name in kinds]


def _item(one: Node) -> Item:
    kind, amount = one.of("ResourceType"), one.of("VirtualQuantity")
    return Item(
        instance_id=one.of("InstanceID"),
        resource_type=_number(kind),
        name=one.of("ElementName"),
        description=one.of("Description"),
        quantity=_number(amount),
        units=one.of("AllocationUnits"),
        model=one.of("ResourceSubType").split(" ")[0],
        address=one.of("Address"),
        address_on_parent=one.of("AddressOnParent"),
        parent=one.of("Parent"),
        host_resource=one.of("HostResource"),
        configurations=tuple(one.get("configuration").split()),
    )


def _cards(root: Node, hardware: Node, words: _Words) -> Iterator[Card]:
    networks = {
        one.get("name"): words.of(one, "Description")
        for one in root.all("NetworkSection", "Network")
    }
    for one in _items(hardware):
        if one.of("ResourceType") != NIC:
            continue
        network = one.of("Connection")
        if networks and network not in networks:
            raise Refused(f"the appliance has a card on {network!r}, a network that it has not")
        yield Card(
            network=network,
            instance_id=_number(one.of("InstanceID")),
            name=one.of("ElementName"),
            description=one.of("Description"),
            network_description=networks.get(network, ""),
            address_on_parent=_number(one.of("AddressOnParent")),
            is_automatic=one.of("AutomaticAllocation").lower() == "true",
            model=one.of("ResourceSubType").split(" ")[0],
        )


def _configurations(root: Node, words: _Words) -> Iterator[Configuration]:
    for number, one in enumerate(root.all("DeploymentOptionSection", "Configuration")):
        yield Configuration(
            id=one.get("id"),
            label=words.of(one, "Label"),
            description=words.of(one, "Description"),
            index=number,
            is_default=one.get("default").lower() in ("true", "1"),
        )


def _eulas(system: Node, words: _Words) -> Iterator[Eula]:
    for number, one in enumerate(system.all("EulaSection")):
        yield Eula(info=words.of(one, "Info"), text=words.of(one, "License"), index=number)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
