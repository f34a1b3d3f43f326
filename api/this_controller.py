"""What this controller is called where the wire speaks of management servers: there is one."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

CONTROLLER_ID = uuid5(NAMESPACE_URL, "sagastack:management/local")
