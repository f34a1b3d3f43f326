"""A Proxmox VE cluster, played from its published API: nodes, storages, VMs, tasks, locks, errors.

It shares no code with the extension. Volumes are sparse files that hold what a guest would see,
whatever format Proxmox VE would call them.
"""

from tests.peers.proxmox.server import serving
from tests.peers.proxmox.world import TOKEN, World

__all__ = ["TOKEN", "World", "serving"]
