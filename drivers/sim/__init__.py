"""A whole data centre in memory, a peer of the real drivers: same contract, same conformance."""

from drivers.sim.driver import SimDriver, make
from drivers.sim.faults import Fault, SimFaults
from drivers.sim.world import Residue, SimWorld

__all__ = ["Fault", "Residue", "SimDriver", "SimFaults", "SimWorld", "make"]
