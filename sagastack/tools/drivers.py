"""What each hypervisor driver does, what that was proved by, and what it does not do and why."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from aggregates.errors import NotFound
from engine.drivers import Folder, folders
from sagastack.commands import Commands
from sagastack.quality import Quality, examples, read_all, read_extension
from sagastack.settings import Settings


def told(quality: Quality, folder: Folder | None) -> dict[str, Any]:
    """One kind, for programs."""
    return {
        "kind": quality.kind,
        "driver": quality.folder,
        "usable": folder is not None and not folder.missing,
        "missing": folder.missing if folder is not None else "the driver",
        "proved": quality.proved,
        "verbs": {
            one.name: {"state": one.state, "why": one.why, "proved": one.proved}
            for one in quality.verbs
        },
        "beside": dict(quality.beside),
        "unproved": dict(quality.unproved),
        "problems": quality.problems(),
    }


def extensions(settings: Settings) -> list[dict[str, Any]]:
    """The one that is installed, and those that come as examples, as far as they say."""
    said = settings.drivers.get("extension", {})
    installed = Path(said.get("folder") or settings.home / "drivers" / "extension").resolve()
    found = []
    for folder in dict.fromkeys([installed, *examples()]):
        quality = read_extension(folder)
        if quality is not None:
            kind = told(quality, None) | {"driver": "extension", "folder": str(folder)}
            kind["usable"] = folder == installed
            kind["missing"] = "" if kind["usable"] else "the extension"
            found.append(kind)
    return found


def add(commands: Commands) -> None:
    one = commands.command(
        "drivers",
        _run,
        "what each driver does, what proved it, and what is exempt and why",
        example="sagastack drivers --json",
        store=False,
    )
    one.add_argument("--kind", default="", help="one kind of hypervisor only")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    by_name = {one.name: one for one in folders()}
    kinds = [told(one, by_name.get(one.folder)) for one in read_all()]
    kinds = [
        one
        for one in [*kinds, *extensions(settings)]
        if args.kind.lower() in ("", one["kind"].lower())
    ]
    if not kinds:
        raise NotFound(f"there is no kind {args.kind} of hypervisor: see `sagastack drivers`")
    if args.json:
        print(json.dumps({"drivers": kinds}, indent=2))
    else:
        print("\n".join(line for kind in kinds for line in _lines(kind, bool(args.kind))))
    return 0 if not any(kind["problems"] for kind in kinds) else 1


def _lines(kind: dict[str, Any], whole: bool) -> list[str]:
    states = Counter(verb["state"] for verb in kind["verbs"].values())
    count = ", ".join(f"{states[state]} {state}" for state in ("done", "todo", "exempt"))
    here = "" if kind["usable"] else f"; not usable here: {kind['missing']} is not installed"
    lines = [f"{kind['kind']:<12} {count}; proved by {kind['proved']}{here}"]
    lines += [f"  {problem}" for problem in kind["problems"]]
    for name, verb in kind["verbs"].items():
        if whole or verb["why"]:
            how = f": {verb['why']}" if verb["why"] else f", proved by {verb['proved']}"
            lines.append(f"  {name:<18} {verb['state']}{how}")
    return lines + [f"  not shown: {what}: {why}" for what, why in kind["unproved"].items()]
