"""What somebody has set for drivers, and what each has besides in a controller's folder."""

from __future__ import annotations

from drivers.contract.errors import DriverError
from engine.drivers import Drivers, folders
from engine.rehearsal import is_rehearsal
from sagastack.settings import DRIVER, BadSetting, Settings

VARIABLES = {"sim": "SAGASTACK_SIMULATOR", "libvirt": "SAGASTACK_LIBVIRT"}


def chosen(settings: Settings) -> dict[str, dict[str, str]]:
    """What the environment says of each driver, by the name of its folder."""
    known = {"sim": settings.simulator, "libvirt": settings.libvirt} | settings.drivers
    return {name: said for name, said in known.items() if said}


def make_chosen(drivers: Drivers, settings: Settings) -> None:
    """Drivers are made when they are asked for, but those that somebody has set up, now."""
    if is_rehearsal(settings.home):
        return
    for name in chosen(settings):
        variable = VARIABLES.get(name, f"{DRIVER}{name.upper()}")
        if name not in drivers.names():
            raise BadSetting(
                f"{variable} is set, and there is no such driver: there are "
                + ", ".join(sorted(drivers.names()))
            )
        try:
            drivers.make(name)
        except DriverError as wrong:
            raise BadSetting(f"{variable} is not understood: {wrong}") from wrong


def driver_settings(settings: Settings) -> dict[str, dict[str, str]]:
    """Each driver's settings by its folder. The simulated data centre outlives the controller."""
    home = settings.home
    guest, logs = home / "guest", home / "guest-logs"
    libvirt = {
        "state": str(home / "libvirt-driver.json"),
        "log_dir": str(logs),
        "probe_kernel": str(guest / "vmlinuz"),
        "probe_initrd": str(guest / "initramfs.gz"),
    }
    simulator = {"state": str(home / "simulator.jsonl"), "serial_dir": str(logs)}
    others = {one.name: {"state": str(home / "drivers" / one.name)} for one in folders()}
    named = {"libvirt": libvirt, "sim": simulator}
    ours = others | named
    return ours | {name: ours.get(name, {}) | said for name, said in chosen(settings).items()}
