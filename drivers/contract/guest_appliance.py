"""What a guest that was made of an appliance (OVF) is told, and which hardware it knows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestProperty:
    """A property as the guest's OVF environment has it. `value` may be for the guest only."""

    key: str
    class_id: str = ""
    instance_id: str = ""
    type: str = "string"
    label: str = ""
    category: str = ""
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestAppliance:
    """`os_id` is what vSphere calls the system in it, `controller` the SCSI controller that it
    knows (OVF's words); `transports` how it reads its environment. Empty leaves it to the driver.
    """

    os_id: str = ""
    controller: str = ""
    product: str = ""
    vendor: str = ""
    release: str = ""
    transports: tuple[str, ...] = ()
    properties: tuple[GuestProperty, ...] = ()
