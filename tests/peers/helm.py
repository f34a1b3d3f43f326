"""Helm itself, built from its Go module: it checks our chart and makes the manifests from it.

The version and hashes are pinned in `helm/go.sum` beside this file; the program is built once for
a checkout, into an ignored folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CHART = ROOT / "deploy" / "helm" / "sagastack"
BUILD_S, RUN_S = 1200, 60
# A helm that is built from its module does not know by itself which Kubernetes it stands for.
KUBERNETES = "1.31.0"


def _lacking(message: str) -> None:
    if os.environ.get("SAGASTACK_REQUIRE_PEERS"):
        pytest.fail(message)
    pytest.skip(message)


def program() -> Path:
    """The path of helm, built now if it is not there yet."""
    target = ROOT / "var" / "peers" / "go-bin" / "helm"
    if target.exists():
        return target
    go = shutil.which("go")
    if go is None:
        _lacking("Go (1.25 or newer) is missing: helm cannot be built, the chart is not checked")
    env = os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        ["go", "build", "-o", f"{target.parent}/", "tool"],
        cwd=HERE / "helm", env=env, capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        _lacking(f"helm could not be built: {done.stderr.strip()[-400:]}")
    return target


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program()), *words], capture_output=True, text=True, timeout=RUN_S, check=False
    )


def manifests(release: str = "r", **values: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What the chart makes, by kind and name. `a__b` stands for the value a.b."""
    chosen = [f"--set={name.replace('__', '.')}={value}" for name, value in values.items()]
    done = helm("template", release, str(CHART), "--kube-version", KUBERNETES, *chosen)
    assert done.returncode == 0, done.stderr
    made = [one for one in yaml.safe_load_all(done.stdout) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in made}
