"""A whole data centre in memory, a peer of the real drivers: same contract, same conformance."""

from drivers.sim.driver import SimDriver
from drivers.sim.faults import Fault, SimFaults
from drivers.sim.kind import KIND
from drivers.sim.making import make, make_all
from drivers.sim.remote import RemoteSim
from drivers.sim.world import Residue, SimWorld

__all__ = [
    "KINDS",
    "Fault",
    "RemoteSim",
    "Residue",
    "SimDriver",
    "SimFaults",
    "SimWorld",
    "make",
    "make_all",
]

KINDS = (KIND,)
