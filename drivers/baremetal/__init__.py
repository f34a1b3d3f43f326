"""Bare metal: machines without a hypervisor, by their BMC and an agent that boots over the network.

A machine is a host that one guest takes whole. Its own disks are its pool: making a disk writes
an image to it, removing one wipes it, starting a guest boots from it.
"""

KINDS = ("BareMetal",)
NEEDS = ("pyghmi",)
