"""What is wrong with this installation, and what to do about it. Changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from aggregates.errors import DomainError
from engine.clock import SystemClock
from engine.cluster.store import is_shared
from engine.drivers import Drivers
from engine.log import LogError, LogUnavailable
from engine.log.seal import SEALS
from engine.vault import VaultError
from sagastack import open_files
from sagastack.backups.home import unfinished
from sagastack.check import Check
from sagastack.chosen_drivers import chosen, make_chosen
from sagastack.commands import Commands
from sagastack.own_home import why_not
from sagastack.proofs.whose import LOG, UNREADABLE, OthersSeals
from sagastack.sealed import GONE, look_into_vault
from sagastack.settings import ENDPOINT_FILE, BadSetting, Settings, misspelt
from sagastack.tools.verify import verify

FREE_BYTES_MIN = 2 * 1024**3
NONE_YET = "none yet: it is made at the first start"
RESTORE = (
    "stop the server, keep a copy of the data folder, restore the log from a backup; but where a "
    "newer release wrote it (`sagastack upgrade --check`), start that one instead"
)
REACH = "see that the database runs and can be reached from here, or name another with --store"
HANGS = (
    "if `sagastack serve` hangs there, end it (SIGKILL loses nothing that was acknowledged) and "
    "start it again; if something else has the port, serve on another one (--port)"
)
RENAME = "rename it in the environment of `sagastack serve`, or unset it"
ANSWER_S = 3.0
CLOSING = 503
SEAL = "start the server, which seals; if there were seals, put your copy of them back before"


async def examine(settings: Settings) -> list[Check]:
    """Every check, in the order in which they matter."""
    checks = [_folder(settings.home), _space(settings.home), open_files.check()]
    checks.append(await _secrets(settings))
    log = await _log(settings)
    checks += [log, await asyncio.to_thread(_server, settings)]
    checks += [_environment(), *await asyncio.to_thread(_hypervisors, settings)]
    return checks + await _within(settings, log)


def _near(home: Path) -> Path:
    """The data folder, or what of the way to it is there."""
    return next(one for one in (home, *home.parents) if one.exists())


def _folder(home: Path) -> Check:
    near = _near(home)
    if near.is_dir() and (why := unfinished(home)):
        return Check("data folder", False, "half restored", why, needed=True)
    why = why_not(home)
    return Check("data folder", not why, str(home), why, needed=True)


def _space(home: Path) -> Check:
    free = shutil.disk_usage(_near(home)).free
    return Check(
        "disk space",
        free >= FREE_BYTES_MIN,
        f"{free / 1024**3:.1f} GiB free",
        "free some space: when the disk is full the log refuses every change",
    )


async def _secrets(settings: Settings) -> Check:
    vault, key = settings.vault_file, settings.vault_key
    if is_shared(settings.store_url):
        vault = key  # the rest is in the database
    if not vault.exists() or not vault.stat().st_size:
        return _none_yet("sealed store", vault, settings.home / LOG, GONE)
    if not key.exists():
        return Check(
            "sealed store",
            False,
            f"{key.name} is missing: nothing sealed can be opened",
            f"put {key.name} back from your backup; without it every password and key is lost",
            needed=True,
        )
    if key.stat().st_mode & 0o077:
        found = "its key can be read by others"
        return Check("sealed store", False, found, f"chmod 600 {key}", needed=True)
    why = await _sealed(settings)
    return Check("sealed store", not why, why or "present", GONE, needed=True)


async def _sealed(settings: Settings) -> str:
    """Why what is sealed in a file cannot be opened; empty if it can."""
    if is_shared(settings.store_url):
        return ""
    try:
        vault = await look_into_vault(settings)
    except (VaultError, OSError) as wrong:
        return str(wrong)
    await vault.close()
    return ""


def _none_yet(name: str, missing: Path, beside: Path, remedy: str) -> Check:
    """What is made at the first start is missing once something `beside` it was made."""
    lost = beside.exists()
    found = f"{missing.name} is gone, and {beside.name} is there" if lost else NONE_YET
    return Check(name, not lost, found, remedy, needed=True)


async def _log(settings: Settings) -> Check:
    log = settings.home / LOG
    if not settings.store and not log.exists():
        return _none_yet("log", log, settings.seals_folder / SEALS, RESTORE)
    try:
        done = await verify(settings)
    except OthersSeals as others:
        return Check("log", False, others.found, others.remedy, needed=True)
    except LogUnavailable as down:
        remedy = REACH if is_shared(settings.store_url) else RESTORE
        return Check("log", False, str(down), remedy, needed=True)
    except LogError as damaged:
        return Check("log", False, str(damaged), RESTORE, needed=True)
    found = f"{done.events} events under {done.seals} seals"
    if done.faults:
        found += f"; {done.faults[0]}"
    return Check("log", not done.faults, found, RESTORE if done.seals else SEAL, needed=True)


def _server(settings: Settings) -> Check:
    """Whether this cloud is served, or could be where the settings say."""
    left = settings.home / ENDPOINT_FILE
    served = left.read_text().strip() if left.exists() else ""
    if served and (answer := _answer(served)) is not None:
        told = answer or "takes connections, and does not answer as a controller"
        return Check("server", bool(answer), f"{served} {told}", HANGS)
    here = f"{settings.reached_at}:{settings.port}"
    answer = _answer(f"http://{here}")
    if answer is None:
        return Check("server", True, f"none runs; {here} is free")
    return Check(
        "server",
        False,
        f"none serves this data folder, and what listens on {here} {answer or 'is no controller'}",
        "`sagastack serve --port ...` on another port, or end what listens there",
    )


def _answer(url: str) -> str | None:
    """What a controller at an address says of itself, or nothing; None if nobody listens there."""
    at = urlsplit(url)
    try:
        with socket.create_connection((at.hostname, at.port), ANSWER_S):
            pass
        health = f"http://{at.netloc}/healthz"
        with build_opener(ProxyHandler({})).open(health, timeout=ANSWER_S) as answer:
            told = json.load(answer)
        return f"answers, at position {told['position']} of its log"
    except HTTPError as refused:
        return "is shutting down" if refused.code == CLOSING else ""
    except ConnectionRefusedError:
        return None
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return ""


def _hypervisors(settings: Settings) -> list[Check]:
    kinds = Drivers.load().kinds()
    why = _refused_settings(settings)
    checks = [
        Check(
            "drivers",
            not why and "Simulator" in kinds,
            why or ", ".join(kinds),
            "set the variable right, or unset it: `serve` does not start with it",
            needed=True,
        )
    ]
    checks.append(
        Check(
            "KVM",
            "KVM" in kinds,
            "libvirt can be used" if "KVM" in kinds else "libvirt-python is not installed",
            "as root: apt-get install libvirt-dev pkg-config gcc, then make setup",
        )
    )
    has_device = os.access("/dev/kvm", os.R_OK | os.W_OK)
    checks.append(
        Check(
            "acceleration",
            has_device,
            "/dev/kvm is there; a probe guest decides whether it works"
            if has_device
            else "no /dev/kvm: guests are emulated, which is slow",
            "enable virtualisation in the firmware, and add this user to the group kvm",
        )
    )
    return checks


def _refused_settings(settings: Settings) -> str:
    """Why a driver does not take what is set for it; nothing that lasts is opened for that."""
    try:
        make_chosen(Drivers.load(chosen(settings)), settings)
    except (BadSetting, DomainError) as error:
        return str(error)
    return ""


def _environment() -> Check:
    """A variable that is not quite one of ours sets nothing, and nobody else would say so."""
    found = [f"{name} says nothing: {meant} would" for name, meant in misspelt(os.environ)]
    return Check("environment", not found, "; ".join(found) or "no variable is misspelt", RENAME)


async def _within(settings: Settings, log: Check) -> list[Check]:
    """What waits for a person in the cloud itself, if its log can be folded."""
    from sagastack.symptoms import symptoms
    from sagastack.tools.opened import opened

    if log.found == NONE_YET:
        return []
    try:
        async with opened(settings) as (_, history):
            return symptoms(await history.latest(), SystemClock().now_ms())
    except (*UNREADABLE, DomainError, LookupError, OSError) as error:
        # What is told of the log already is not told twice.
        return [Check("cloud", False, str(error), RESTORE, needed=True)] if log.ok else []


def add(commands: Commands) -> None:
    commands.command(
        "doctor",
        _run,
        "what is wrong with this installation, and what to do",
        example="sagastack doctor",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    checks = await examine(settings)
    if args.json:
        print(json.dumps([check.as_dict() for check in checks]))
    else:
        for check in checks:
            print(check)
    return 1 if any(not check.ok and check.needed for check in checks) else 0
