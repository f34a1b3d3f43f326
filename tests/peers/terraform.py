"""OpenTofu with the Terraform provider for CloudStack, built from their Go modules.

Versions and hashes are pinned in `opentofu/go.sum` and `terraform/go.sum` beside this file; the
programs are built once for a checkout, into an ignored folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
BUILD_S, RUN_S = 1200, 300
PROGRAMS = {"opentofu": "tofu", "terraform": "terraform-provider-cloudstack"}


def _lacking(message: str) -> None:
    if os.environ.get("SAGASTACK_REQUIRE_PEERS"):
        pytest.fail(message)
    pytest.skip(message)


def programs() -> Path:
    """The folder with both programs."""
    target = ROOT / "var" / "peers" / "go-bin"
    go = shutil.which("go")
    for module, program in PROGRAMS.items():
        if (target / program).exists():
            continue
        if go is None:
            _lacking("Go (1.25 or newer) is missing: OpenTofu and its provider cannot be built")
        # The checksum data base does not know the provider: its hash is in go.sum all the same.
        env = os.environ | {
            "GOFLAGS": "-mod=readonly",
            "GOTOOLCHAIN": "local",
            "GONOSUMDB": "github.com/apache/*",
        }
        done = subprocess.run(
            ["go", "build", "-o", f"{target}/", "tool"],
            cwd=HERE / module, env=env, capture_output=True, text=True, timeout=BUILD_S,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            _lacking(f"{program} could not be built: {done.stderr.strip()[-400:]}")
    return target


@dataclass(frozen=True)
class Tofu:
    """One configuration folder, and the cloud that it is applied to."""

    folder: Path
    endpoint: str
    key: str
    secret: str

    def __call__(self, *words: str, good: tuple[int, ...] = (0,)) -> str:
        """Run a command; gives what it printed."""
        built = programs()
        settings = self.folder / "tofurc"
        settings.write_text(
            'provider_installation {\n  dev_overrides {\n    "cloudstack/cloudstack" = "'
            f'{built}"\n  }}\n  direct {{}}\n}}\n'
        )
        env = os.environ | {
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "CLOUDSTACK_API_URL": self.endpoint,
            "CLOUDSTACK_API_KEY": self.key,
            "CLOUDSTACK_SECRET_KEY": self.secret,
        }
        done = subprocess.run(
            [str(built / "tofu"), *words, "-no-color"],
            cwd=self.folder, env=env, capture_output=True, text=True, timeout=RUN_S, check=False,
        )  # fmt: skip
        assert done.returncode in good, done.stdout[-4000:] + done.stderr[-6000:]
        return done.stdout

    def apply(self, *more: str) -> None:
        self("apply", "-auto-approve", "-input=false", "-parallelism=4", *more)

    def changes(self) -> list[str]:
        """What a plan would still change: each resource with its actions."""
        self("plan", "-input=false", "-out=plan", "-detailed-exitcode", good=(0, 2))
        shown: dict[str, Any] = json.loads(self("show", "-json", "plan"))
        changes = shown.get("resource_changes", [])
        return [
            f"{one['address']}: {one['change']['actions']}"
            for one in changes
            if one["change"]["actions"] not in (["no-op"], ["read"])
        ]

    def destroy(self) -> None:
        self("destroy", "-auto-approve", "-input=false", "-parallelism=4")
