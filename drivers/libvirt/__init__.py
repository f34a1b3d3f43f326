"""Hosts under libvirt."""

KINDS = ("KVM",)
NEEDS = ("libvirt",)
