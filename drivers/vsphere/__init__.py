"""ESXi hosts that a vCenter manages."""

KINDS = ("VMware",)
NEEDS = ("pyVmomi",)
