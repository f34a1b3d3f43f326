"""What an appliance says of itself, in the words that CloudStack keeps it in.

`deployasisdetails` has an entry for each thing: `property-<key>`, `network-<name>`,
`configuration-<index>-<id>` hold JSON, and `eula-<index>-<info>` is the text itself.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.declare import View, view
from projections.template import Image, part_id

# What CIM calls kinds of virtual hardware, as consoles look for them.
KINDS = {
    1: "Other", 3: "Processor", 4: "Memory", 5: "IDEController", 6: "ParallelSCSIHBA",
    10: "EthernetAdapter", 14: "FloppyDrive", 15: "CDDrive", 16: "DVDDrive", 17: "DiskDrive",
    20: "OtherStorageDevice", 23: "USBController", 24: "GraphicsController",
}  # fmt: skip


@view
class ChildTemplateView(View, kw_only=True):
    """A further disk of an appliance."""

    id: Annotated[UUID, "what datadiskofferinglist calls it"]
    name: Annotated[str, "its file in the appliance"]
    size: Annotated[int, "what a guest sees of it, in bytes"]
    template_type: Annotated[str, "DATADISK"]


def children(image: Image) -> list[ChildTemplateView] | None:
    """The data disks of an appliance; None for what has one disk."""
    disks = () if image.appliance is None else image.appliance.disks
    return [
        ChildTemplateView(
            id=part_id(image.id, number),
            name=disk.file or f"{image.name}-{number}",
            size=disk.size_bytes,
            template_type="DATADISK",
        )
        for number, disk in enumerate(disks)
        if number
    ] or None


def details_of(image: Image) -> dict[str, str] | None:
    """All of it by names; None for a template that is not deployed as it is."""
    appliance = image.appliance
    if appliance is None or not image.deploy_as_is:
        return None
    found: dict[str, Any] = {}
    for one in appliance.properties:
        unique = sum(other.key == one.key for other in appliance.properties) == 1
        key = one.key if unique else one.name
        found[f"property-{key}"] = {
            "key": key, "type": one.type, "value": one.value, "qualifiers": one.qualifiers,
            "userConfigurable": one.is_configurable, "label": one.label,
            "description": one.description, "password": one.is_password,
            "index": one.index, "category": one.category,
        }  # fmt: skip
    for card in appliance.cards:
        found[f"network-{card.network}"] = {
            "name": card.network, "networkDescription": card.network_description,
            "addressOnParent": card.address_on_parent,
            "automaticAllocation": card.is_automatic, "nicDescription": card.description,
            "elementName": card.name, "InstanceID": card.instance_id,
            "resourceSubType": card.model, "resourceType": "10",
        }  # fmt: skip
    for each in appliance.configurations:
        items = [
            {
                "instanceId": one.instance_id, "elementName": one.name,
                "resourceType": KINDS.get(one.resource_type, "Other"),
                "description": one.description, "virtualQuantity": one.quantity,
                "allocationUnits": one.units, "resourceSubType": one.model,
                "parent": one.parent, "addressOnParent": one.address_on_parent,
                "configurationIds": " ".join(one.configurations),
            }
            for one in appliance.items
            if not one.configurations or each.id in one.configurations
        ]  # fmt: skip
        found[f"configuration-{each.index}-{each.id}"] = {
            "id": each.id, "label": each.label, "description": each.description,
            "index": each.index, "hardwareItems": items,
        }  # fmt: skip
    made = {name: msgspec.json.encode(value).decode() for name, value in found.items()}
    return made | {f"eula-{one.index}-{one.info}": one.text for one in appliance.eulas}
