"""Hosts under libvirt."""

KINDS = ("KVM", "LXC", "Xen")
NEEDS = ("libvirt",)
