"""What the commands about volumes ask before any work begins."""

from __future__ import annotations

from uuid import UUID

from api.declare import Caller, Names, Wire
from api.errors import Denied, InvalidValue
from projections.disk_offering import DiskOffering
from projections.setting import number_of
from projections.vm import vms

GIB, GIB_MAX = 2**30, 65_536
LONG = Wire(type="long")
TEXT = Wire(type="string")
OFFERING = Names("disk_offering")


def check_pair(caller: Caller, zone_id: UUID, account_id: UUID, name: str, vm_id: UUID) -> None:
    """A volume goes to a guest of the same zone and owner."""
    vm = caller.cloud[vms][vm_id]
    if zone_id != vm.zone_id:
        raise InvalidValue(f"volume {name} and virtual machine {vm.name} are in different zones")
    if account_id != vm.account_id:
        raise Denied(
            f"volume {name} and virtual machine {vm.name} differ in owner: "
            "take a volume of the same account"
        )


def check_size(caller: Caller, size_bytes: int) -> int:
    """The size, if no volume may be larger by the settings."""
    most_gib = int(number_of(caller.cloud, "storage.max.volume.size"))
    if size_bytes > most_gib * GIB:
        raise InvalidValue(
            f"size {-(-size_bytes // GIB)} GiB is more than the {most_gib} GiB that "
            "storage.max.volume.size allows"
        )
    return size_bytes


def iops_of(
    offering: DiskOffering | None, least: int | None, most: int | None
) -> tuple[int | None, int | None]:
    """What a volume is promised a second, where its offering leaves that open."""
    if least is None and most is None:
        return None, None
    if offering is None or not offering.is_customized_iops:
        raise InvalidValue("miniops and maxiops need a disk offering with customizediops=true")
    if least is not None and most is not None and least > most:
        raise InvalidValue(f"miniops {least} is more than maxiops {most}")
    return least, most
