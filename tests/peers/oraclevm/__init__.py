"""Agents of Oracle VM 2.x and 3.x, as far as their callers can tell: they share nothing with ours.

Built from what Apache CloudStack's Ovm and Ovm3 plugins call and from the answers and faults that
their tests and modules hold. Repositories are folders with real bytes.
"""
