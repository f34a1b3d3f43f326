"""pyVmomi as this driver uses it: its types come out of a table at run time, so mypy knows none."""

from __future__ import annotations

from typing import Any

import pyVmomi
from pyVmomi import SoapAdapter

_types: Any = pyVmomi
vim: Any = _types.vim
vmodl: Any = _types.vmodl
new_stub: Any = SoapAdapter.SoapStubAdapter
# vCenter 6.5; a newer one speaks it too.
VERSION = "vim.version.version11"

# A managed object: a reference of the vCenter's, with the stub that calls go through.
Managed = Any
