"""The golden files say what the code says; a difference is reviewed, never an accident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_nothing_drifts_unseen() -> None:
    command = [sys.executable, "-m", "tests.golden", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun `make golden` and review"


def test_every_id_is_guarded() -> None:
    gaps = (ROOT / "tests/golden/uncovered_authz.txt").read_text()
    assert not gaps, f"no rule guards these:\n{gaps}"
