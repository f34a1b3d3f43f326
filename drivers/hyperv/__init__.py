"""Hosts that run Microsoft's Hyper-V, over WinRM."""

KINDS = ("Hyperv",)
NEEDS = ("pypsrp",)
