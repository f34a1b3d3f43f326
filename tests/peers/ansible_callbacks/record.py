"""An Ansible callback that writes what became of each task: one JSON object a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: one JSON object a task
description: What became of each task, for tests.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"

    def _write(self, result: Any, *, failed: bool) -> None:
        told = result._result
        line = {
            "task": result._task.get_name(),
            "changed": bool(told.get("changed")),
            "failed": failed,
            "told": {name: value for name, value in told.items() if name != "invocation"},
        }
        with Path(os.environ["RECORD_TO"]).open("a") as out:
            out.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write(result, failed=False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write(result, failed=True)
