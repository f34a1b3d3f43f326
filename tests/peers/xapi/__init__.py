"""A XenServer pool for tests: XAPI over JSON-RPC as the published class reference has it.

Written from the XenAPI Management API reference (classes, fields, messages, error codes), and it
shares no code with the driver. It keeps the bytes of its disks in sparse files, so that copies,
snapshots and reverts can be compared. What it does not simulate is said in `model.py`.
"""

from tests.peers.xapi.behaviour import Behaviour, Fault
from tests.peers.xapi.store import XapiError
from tests.peers.xapi.world import HostPlan, World, serving

__all__ = ["Behaviour", "Fault", "HostPlan", "World", "XapiError", "serving"]
