"""What all hosts of a vCenter share: one login, one waiter for tasks, one view of what is there."""

from __future__ import annotations

from drivers.vsphere.address import Place
from drivers.vsphere.client import Vcenter
from drivers.vsphere.copies import Copies
from drivers.vsphere.disks import Disks
from drivers.vsphere.files import Files
from drivers.vsphere.firmware import Firmware
from drivers.vsphere.inventory import Inventory
from drivers.vsphere.moments import Moments
from drivers.vsphere.settings import Settings
from drivers.vsphere.store import Stores
from drivers.vsphere.tasks import Tasks


class Line:
    """One vCenter for one user. `users` counts the sessions that share it."""

    def __init__(self, place: Place, username: str, password: str, settings: Settings) -> None:
        self.vcenter = Vcenter(place, username, password, settings)
        self.tasks = Tasks(self.vcenter)
        self.files = Files(self.vcenter)
        self.inventory = Inventory(self.vcenter, self.tasks)
        self.stores = Stores(self.vcenter, self.tasks, self.inventory, self.files)
        self.moments = Moments(self.vcenter, self.tasks, self.inventory)
        self.firmware = Firmware(self.vcenter, self.inventory, self.stores)
        self.disks = Disks(self.vcenter, self.tasks, self.inventory, self.stores)
        self.copies = Copies(self.vcenter, self.tasks, self.disks, self.moments, self.firmware)
        self.users = 0

    async def open(self) -> None:
        await self.vcenter.open()

    async def close(self) -> None:
        await self.files.close()
        await self.vcenter.close()
        self.tasks.close()
