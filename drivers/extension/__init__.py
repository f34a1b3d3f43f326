"""Hypervisors that we do not ship: a program that speaks JSON is told what to do with a host."""

KINDS = ("External",)
NEEDS = ()
