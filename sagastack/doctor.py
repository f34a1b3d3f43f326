"""What is wrong with this installation, and what to do about it. Changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.cluster.store import is_shared
from engine.drivers import Drivers
from engine.log import LogError, LogUnavailable
from engine.log.seal import SEALS
from engine.vault import VaultError
from sagastack.backups.home import unfinished
from sagastack.commands import Commands
from sagastack.own_home import why_not
from sagastack.proofs.whose import LOG, OthersSeals
from sagastack.sealed import GONE, look_into_vault
from sagastack.settings import Settings
from sagastack.tools.verify import verify

FREE_BYTES_MIN = 2 * 1024**3
NONE_YET = "none yet: it is made at the first start"
RESTORE = (
    "stop the server, keep a copy of the data folder, restore the log from a backup; but where a "
    "newer release wrote it (`sagastack upgrade --check`), start that one instead"
)
REACH = "see that the database runs and can be reached from here, or name another with --store"
SEAL = "start the server, which seals; if there were seals, put your copy of them back before"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `needed`: without it no cloud works, rather than some of it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        mark = "ok  " if self.ok else "FAIL" if self.needed else "warn"
        remedy = f"\n       do: {self.remedy}" if self.remedy and not self.ok else ""
        return f"{mark}  {self.name}: {self.found}{remedy}"


async def examine(settings: Settings) -> list[Check]:
    """Every check, in the order in which they matter."""
    checks = [_folder(settings.home), _space(settings.home), await _secrets(settings)]
    checks.append(await _log(settings))
    checks.append(await asyncio.to_thread(_port, settings))
    checks += await asyncio.to_thread(_hypervisors)
    return checks


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


def _port(settings: Settings) -> Check:
    with socket.socket() as probe:
        taken = probe.connect_ex((settings.host, settings.port)) == 0
    found = f"{settings.host}:{settings.port} " + ("answers" if taken else "is free")
    return Check("port", True, found)


def _hypervisors() -> list[Check]:
    drivers = Drivers.load()
    kinds = drivers.kinds()
    checks = [Check("drivers", "Simulator" in kinds, ", ".join(kinds), needed=True)]
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
