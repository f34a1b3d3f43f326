"""What the machine itself must offer before a cloud can use it: packages, libvirt, a bridge.

Each part looks first, changes only what is lacking, and answers with a `Report`. Nothing here is
needed to run a cloud of simulated hosts, so a lack is reported and never raised.
"""

from sagastack.hostsetup.report import Report

__all__ = ["Report"]
