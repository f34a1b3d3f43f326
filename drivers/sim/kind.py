"""What the simulator is, wherever its world lives."""

from drivers.contract.driver import Capabilities
from drivers.sim.storage import IMAGE_FORMATS

KIND = "Simulator"
CAPABILITIES = Capabilities(
    live_migration=True,
    storage_migration=True,
    disk_hot_plug=True,
    nic_hot_plug=True,
    snapshots=True,
    live_disk_move=True,
    guest_growth=True,
    adoption=True,
    guest_snapshots=True,
    disk_snapshots_alive=True,
    run_hook=True,
    routers=True,
    image_formats=IMAGE_FORMATS,
)
