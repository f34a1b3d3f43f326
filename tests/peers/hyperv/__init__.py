"""A Hyper-V host for tests: WinRM and PSRP as published, Hyper-V's cmdlets, disks on real files.

It shares nothing with the driver but what Microsoft publishes. What it knows of PowerShell is in
`commands.py` (pipelines of cmdlets) and `script.py` (a small language); of Hyper-V, in `cmdlets_*`.
"""

from tests.peers.hyperv import (
    cmdlets_core,
    cmdlets_devices,
    cmdlets_host,
    cmdlets_vhd,
    cmdlets_vm,
    exports,
)
from tests.peers.hyperv.peer import HypervPeer
from tests.peers.hyperv.world import Host, Vm, World

__all__ = [
    "Host",
    "HypervPeer",
    "Vm",
    "World",
    "cmdlets_core",
    "cmdlets_devices",
    "cmdlets_host",
    "cmdlets_vhd",
    "cmdlets_vm",
    "exports",
]
