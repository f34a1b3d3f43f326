"""Ansible with its CloudStack collection, as users have it: the real modules, run by the real tool.

`ansible-core` comes with the pinned packages; the collection is taken out of the `ansible`
package, whose hash is pinned here, into an ignored folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PINNED = "ansible==12.3.0"
HASH = "sha256:cd156f82fa87f7a899212b0efa9f7ca3a24d609212de9f78428a572eb01e5414"
WITHIN = "ansible_collections/ngine_io/cloudstack/"
FETCH_S, RUN_S = 240, 600
CALLBACKS = Path(__file__).parent / "ansible_callbacks"


@dataclass(frozen=True)
class Step:
    """A task: `ngine_io.cloudstack.cs_<module>` with its arguments."""

    module: str
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.module} {self.args.get('state', '')} {self.args.get('name', '')}".strip()


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    task: str
    changed: bool
    failed: bool
    told: dict[str, Any]


def collection() -> Path:
    """The folder that holds `ansible_collections`, fetched once for a checkout."""
    home = ROOT / "var" / "peers" / PINNED.replace("==", "-")
    if (home / WITHIN / "MANIFEST.json").exists():
        return home
    home.mkdir(parents=True, exist_ok=True)
    wanted = home / "wanted.txt"
    wanted.write_text(f"{PINNED} --hash={HASH}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
    fetch = [*pip, "--no-deps", "--require-hashes", "-r", str(wanted), "-d", str(home)]
    done = subprocess.run(fetch, capture_output=True, text=True, timeout=FETCH_S, check=False)
    if done.returncode != 0:
        message = f"{PINNED} could not be had: {done.stderr.strip()[-400:]}"
        if os.environ.get("SAGASTACK_REQUIRE_PEERS"):
            pytest.fail(message)
        pytest.skip(message)
    for wheel in home.glob("ansible-*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(home, [one for one in packed.namelist() if one.startswith(WITHIN)])
        wheel.unlink()
    return home


def play(
    steps: Sequence[Step], folder: Path, *, endpoint: str, key: str, secret: str
) -> list[list[Outcome]]:
    """Run each step twice in a row; answers with both outcomes of each, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks: list[dict[str, Any]] = []
    for number, step in enumerate(steps):
        for turn in (1, 2):
            name = f"{number} {turn} {step.name}"
            module = f"ngine_io.cloudstack.cs_{step.module}"
            tasks.append({"name": name, module: step.args, "ignore_errors": True})
    book = [{"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks}]
    (folder / "book.yaml").write_text(yaml.safe_dump(book, sort_keys=False))
    record = folder / "record.jsonl"
    record.unlink(missing_ok=True)
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(collection()),
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "record",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_DEVEL_WARNING": "false",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_FORCE_COLOR": "false",
        "RECORD_TO": str(record),
        "CLOUDSTACK_ENDPOINT": endpoint,
        "CLOUDSTACK_KEY": key,
        "CLOUDSTACK_SECRET": secret,
        "LC_ALL": "C.UTF-8",
    }
    tool = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [tool, "-i", "localhost,", str(folder / "book.yaml")],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    assert record.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found = [Outcome(**json.loads(line)) for line in record.read_text().splitlines()]
    assert len(found) == 2 * len(steps), done.stdout[-3000:] + done.stderr[-1000:]
    return [found[i : i + 2] for i in range(0, len(found), 2)]
