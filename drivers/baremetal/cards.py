"""What is known of each machine, kept as one small file a machine in the controller's state folder.

A machine cannot be asked about its disks while its guest runs, so the card answers then. What is
on a disk is also written on the disk itself (`label.py`): an inspection believes the label, so a
lost card comes back. A card is written before and after each deed, whole or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from drivers.baremetal.installing import Installing


class Volume(msgspec.Struct):
    """A volume of ours. It is listed only when it is `whole`: its image and label are on disk.

    `rests`: its image is to stay while it is there. `config` is a digest of what its config
    partition at `config_at` (0: it has none) was last written with.
    `labelled`: the disk itself says so too. `written` is the checksum of the image that is on it,
    until it is whole. `installer` is the folder of the installer that has yet to install a system
    onto it; `installs`: what is on it came so, or will.
    """

    volume_id: str
    size_bytes: int
    image_id: str = ""
    rests: bool = False
    owner: str = ""
    guest_id: str = ""
    config: str = ""
    config_at: int = 0
    labelled: bool = True
    written: str = ""
    whole: bool = False
    installer: str = ""
    installs: bool = False


class Disk(msgspec.Struct):
    """A disk of a machine. `dirty`: it holds what a volume left (`was`), and must be wiped first.

    `stranger`: it holds something that nobody of ours wrote.
    """

    name: str
    serial: str
    size_bytes: int
    rotational: bool = False
    model: str = ""
    dirty: bool = False
    was: str = ""
    stranger: bool = False
    volume: Volume | None = None

    @property
    def path(self) -> str:
        return f"disk:///{self.serial or self.name}"


class Nic(msgspec.Struct):
    name: str
    mac: str
    up: bool = False


class Guest(msgspec.Struct):
    """The guest that has the machine. `stage`: preparing, installing, booting, running or off."""

    guest_id: str
    name: str
    key: str
    cpu_count: int
    memory_mib: int
    disks: list[str]
    stage: str = "preparing"


class Card(msgspec.Struct):
    """One machine. `token` is what its agent says to be known as the one that was booted last;
    `lease` is what our DHCP had given it before its guest was started."""

    node: str
    hardware_id: str = ""
    name: str = ""
    cpu_count: int = 0
    cpu_mhz: int = 0
    memory_bytes: int = 0
    model: str = ""
    firmware: str = ""
    disks: list[Disk] = []
    nics: list[Nic] = []
    guest: Guest | None = None
    token: str = ""
    ip4: str = ""
    lease: str = ""
    installing: Installing | None = None

    @property
    def inspected(self) -> bool:
        return self.hardware_id != ""

    def holding(self, volume_id: object) -> Disk | None:
        """The disk that a volume is on, whole or not."""
        wanted = str(volume_id)
        return next((d for d in self.disks if d.volume and d.volume.volume_id == wanted), None)

    def whole(self, volume_id: object) -> tuple[Disk, Volume] | None:
        disk = self.holding(volume_id)
        if disk is None or disk.volume is None or not disk.volume.whole:
            return None
        return disk, disk.volume


class Cards:
    """The folder of cards."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, node: str) -> Card:
        """A machine's card, or an empty one. A file that is no card is as none: it comes back."""
        try:
            return msgspec.json.decode(self._path(node).read_bytes(), type=Card)
        except FileNotFoundError:
            return Card(node=node)
        except msgspec.DecodeError:
            return Card(node=node)

    def write(self, card: Card) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(card.node)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.encode(card))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def others(self, node: str) -> list[Card]:
        """The cards of all other machines."""
        return [self.read(p.stem) for p in self._folder.glob("*.json") if p.stem != node]

    def _path(self, node: str) -> Path:
        return self._folder / f"{node}.json"
