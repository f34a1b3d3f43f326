"""What a guest may be given of its machine beyond cores and memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What is empty is the driver's choice; what a host has not is Refused, with the reason.

    `cpu_mode` is host-model, host-passthrough or custom; custom needs `cpu_model`, a name of the
    hypervisor's. `cpu_pins` say on which of the host's cores (`2-3,7`) each core of the guest may
    run; the last stands for the rest. `huge_page_kib` is the size of the pages that its memory is
    made of. `pci_devices` are the host's own (`0000:01:00.0`), which nothing else uses meanwhile.
    `tpm` is the version of a trusted platform module that is the guest's own, for ever.
    """

    cpu_mode: str = ""
    cpu_model: str = ""
    cpu_pins: tuple[str, ...] = ()
    huge_page_kib: int = 0
    pci_devices: tuple[str, ...] = ()
    tpm: str = ""

    @property
    def stays(self) -> bool:
        """Whether a guest that has it cannot leave its host while it runs."""
        return bool(self.pci_devices)
