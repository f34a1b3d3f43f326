"""One system of a Redfish service as a machine's BMC: power, boot, sensors, RAID, firmware.

Resources and actions are those of DMTF's schemas (ComputerSystem, Chassis, Bios, Storage, Volume).
"""

from __future__ import annotations

from typing import Any

from drivers.baremetal.address import SCHEMES, NodeAddress
from drivers.baremetal.bmc import BmcFacts, Boot, Turn
from drivers.baremetal.redfish import ROOT, Json, Service
from drivers.baremetal.sol import SerialPort, serial_port
from drivers.contract.compute import Console, Sensor
from drivers.contract.errors import Refused, Unavailable, Unknown

TURNS: dict[Turn, tuple[str, ...]] = {
    Turn.ON: ("On", "ForceOn"),
    Turn.OFF: ("ForceOff",),
    Turn.SOFT: ("GracefulShutdown", "PushPowerButton"),
    Turn.RESET: ("ForceRestart", "PowerCycle"),
}
VOLUMES = {
    "RAID0": "NonRedundant",
    "RAID1": "Mirrored",
    "RAID5": "StripedWithParity",
    "RAID6": "StripedWithParity",
    "RAID10": "SpannedMirrors",
}
POWER = {"On": True, "PoweringOff": True, "Off": False, "PoweringOn": False, "Paused": True}
SERIAL_KINDS = ("IPMI", "SSH", "Telnet")
TARGETS = {Boot.NETWORK: "Pxe", Boot.DISK: "Hdd"}


class RedfishBmc:
    """Fulfils `bmc.Bmc`. Without a path in the URL it is the service's only system."""

    def __init__(self, address: NodeAddress, service: Service) -> None:
        self.name = service.name
        self._address, self._service = address, service
        self._path = address.path
        self._serial: SerialPort | None = None

    async def systems(self) -> list[str]:
        return await self._service.members(f"{ROOT}/Systems")

    async def path(self) -> str:
        if not self._path:
            found = await self.systems()
            if len(found) != 1:
                one = found[0] if found else f"{ROOT}/Systems/1"
                raise Refused(
                    f"{self.name} has {len(found)} systems: name one in the host's URL, as in "
                    f"redfish://{self._address.host}{one}"
                )
            self._path = found[0]
        return self._path

    async def facts(self) -> BmcFacts:
        said = await self._system()
        return BmcFacts(
            uuid=str(said.get("UUID") or "").replace("-", "").lower(),
            model=" ".join(filter(None, (said.get("Manufacturer"), said.get("Model")))),
            serial=str(said.get("SerialNumber") or ""),
            firmware=str(said.get("BiosVersion") or ""),
            health=str((said.get("Status") or {}).get("Health") or ""),
        )

    async def is_on(self) -> bool:
        """`PoweringOn` and `PoweringOff` count as what was before: it is not there yet.

        A BMC that is just starting does not know it: that is no word for off.
        """
        said = (await self._system()).get("PowerState")
        if said not in POWER:
            raise Unavailable(f"{self.name} does not say now whether the power is on: {said!r}")
        return POWER[said]

    async def turn(self, how: Turn) -> None:
        reset = ((await self._system()).get("Actions") or {}).get("#ComputerSystem.Reset") or {}
        target = reset.get("target") or f"{await self.path()}/Actions/ComputerSystem.Reset"
        allowed = reset.get("ResetType@Redfish.AllowableValues")
        wanted = next((one for one in TURNS[how] if allowed is None or one in allowed), "")
        if not wanted:
            raise Refused(f"{self.name} cannot do {how} ({', '.join(TURNS[how])} is not allowed)")
        await self._service.post(target, {"ResetType": wanted})

    async def boot_from(self, device: Boot, *, once: bool, uefi: bool) -> None:
        """UEFI HTTP boot where it is offered and the machine boots by UEFI, else PXE."""
        boot = (await self._system()).get("Boot") or {}
        allowed = boot.get("BootSourceOverrideTarget@Redfish.AllowableValues") or ()
        target = TARGETS[device]
        if device is Boot.NETWORK and uefi and "UefiHttp" in allowed:
            target = "UefiHttp"
        change = {
            "BootSourceOverrideTarget": target,
            "BootSourceOverrideEnabled": "Once" if once else "Continuous",
        }
        if boot.get("BootSourceOverrideMode") not in (None, "UEFI" if uefi else "Legacy"):
            change["BootSourceOverrideMode"] = "UEFI" if uefi else "Legacy"
        await self._service.patch(await self.path(), {"Boot": change})

    async def sensors(self) -> tuple[Sensor, ...]:
        """The temperatures, fans and power readings of the chassis that the system is in."""
        read: list[Sensor] = []
        links = (await self._system()).get("Links") or {}
        for link in links.get("Chassis") or ():
            chassis = await self._service.get(link["@odata.id"])
            for kind in ("Thermal", "Power"):
                if kind in chassis:
                    read += _readings(await self._service.get(chassis[kind]["@odata.id"]))
        return tuple(read)

    async def prepare(self) -> bool:
        """Firmware settings apply at the next start, which the inspection makes anyway."""
        changed = await self._set_bios()
        return await self._make_raid() or changed

    async def console(self) -> Console:
        """The serial console that the service tells of. What speaks IPMI is carried from here."""
        ports = await self._serial_ports()
        if not ports:
            raise Refused(
                f"{self.name} offers no serial console: enable serial over LAN in its settings"
            )
        if "IPMI" in ports:
            port = ports["IPMI"] or SCHEMES["ipmi"]
            url = f"ipmi-sol://{self._address.host}:{port}"
            return Console(url=url, protocol="sol", line=self._line_at(port).open)
        kind, port = next(iter(ports.items()))
        url = f"{kind.lower()}://{self._address.host}" + (f":{port}" if port else "")
        return Console(url=url, protocol="sol")

    async def _serial_ports(self) -> dict[str, int]:
        """The ways to the serial console that are on, and their ports as far as they are told.

        `ComputerSystem.SerialConsole`, or before its version 1.13 that of the system's manager.
        """
        system = await self._system()
        serial = system.get("SerialConsole") or {}
        found = {
            kind: int((serial[kind] or {}).get("Port") or 0)
            for kind in SERIAL_KINDS
            if (serial.get(kind) or {}).get("ServiceEnabled")
        }
        for link in () if serial else (system.get("Links") or {}).get("ManagedBy") or ():
            of_bmc = (await self._service.get(link["@odata.id"])).get("SerialConsole") or {}
            if of_bmc.get("ServiceEnabled"):
                offered = of_bmc.get("ConnectTypesSupported") or ()
                found |= {kind: 0 for kind in SERIAL_KINDS if kind in offered}
        return found

    def _line_at(self, port: int) -> SerialPort:
        if self._serial is None or self._serial.port != port:
            self._serial = serial_port(self.name, self._address, port)
        return self._serial

    async def close(self) -> None:
        if self._serial is not None:
            await self._serial.close()
        await self._service.close()

    async def _system(self) -> Json:
        return await self._service.get(await self.path())

    async def _set_bios(self) -> bool:
        if not self._address.bios:
            return False
        link = ((await self._system()).get("Bios") or {}).get("@odata.id")
        if not link:
            raise Refused(f"{self.name} lets nobody set the firmware: take bios= from the URL")
        bios = await self._service.get(link)
        has = bios.get("Attributes") or {}
        if unknown := [name for name, _ in self._address.bios if name not in has]:
            raise Refused(
                f"{self.name}: its firmware has no setting {unknown[0]} (bios= in the URL)"
            )
        change = {n: _typed(v, has[n]) for n, v in self._address.bios if str(has[n]) != v}
        if not change:
            return False
        settings = (bios.get("@Redfish.Settings") or {}).get("SettingsObject") or {}
        await self._service.patch(settings.get("@odata.id", link), {"Attributes": change})
        return True

    async def _make_raid(self) -> bool:
        """One volume over all drives of each controller that has none yet."""
        if not self._address.raid:
            return False
        link = ((await self._system()).get("Storage") or {}).get("@odata.id")
        if not link:
            raise Refused(f"{self.name} tells of no storage controller: take raid= from the URL")
        made = False
        for one in await self._service.members(link):
            storage = await self._service.get(one)
            drives = storage.get("Drives") or ()
            volumes = (storage.get("Volumes") or {}).get("@odata.id")
            if not volumes or not drives or await self._service.members(volumes):
                continue
            await self._make_volume(volumes, [str(one["@odata.id"]) for one in drives])
            made = True
        return made

    async def _make_volume(self, volumes: str, drives: list[str]) -> None:
        """As the schema has it; and where that is not enough, with a name and a size as well."""
        kind = self._address.raid.upper()
        asked: Json = {"RAIDType": kind, "Links": {"Drives": [{"@odata.id": d} for d in drives]}}
        try:
            await self._service.post(volumes, asked)
        except (Refused, Unknown) as failed:
            sizes = [(await self._service.get(one)).get("CapacityBytes") for one in drives]
            size_bytes = _usable_bytes(kind, [int(one or 0) for one in sizes])
            if not size_bytes or await self._service.members(volumes):
                raise
            more = {"Name": "system", "CapacityBytes": size_bytes, "VolumeType": VOLUMES[kind]}
            try:
                await self._service.post(volumes, asked | more)
            except Refused:
                raise failed from None


def _usable_bytes(kind: str, sizes: list[int]) -> int:
    """What a volume over these drives holds; 0 if that cannot be told."""
    parts = {
        "RAID0": len(sizes),
        "RAID1": 1,
        "RAID5": len(sizes) - 1,
        "RAID6": len(sizes) - 2,
        "RAID10": len(sizes) // 2,
    }
    return parts.get(kind, 0) * min(sizes, default=0)


def _typed(text: str, like: Any) -> Any:
    """A setting in the type that it has now."""
    if isinstance(like, bool):
        return text.lower() in ("true", "yes", "1", "on")
    return int(text) if isinstance(like, int) else text


def _readings(said: Json) -> list[Sensor]:
    kinds = (
        ("Temperatures", "ReadingCelsius", "Cel"),
        ("Fans", "Reading", ""),
        ("Voltages", "ReadingVolts", "V"),
        ("PowerControl", "PowerConsumedWatts", "W"),
    )
    return [
        Sensor(
            name=str(one.get("Name") or group),
            value=None if one.get(field) is None else float(one[field]),
            unit=unit or str(one.get("ReadingUnits") or ""),
            health=str((one.get("Status") or {}).get("Health") or ""),
        )
        for group, field, unit in kinds
        for one in said.get(group) or ()
    ]
