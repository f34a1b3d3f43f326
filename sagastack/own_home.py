"""Whether the data folder is this user's to write, told with the remedy before anything begins.

A file of it that belongs to somebody else is mostly what one start as root has left, and would be
found halfway: the log is open by then, and the words are those of whatever came upon it first.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from sagastack.settings import BadSetting

WRITTEN = ("log.db", "log.db-wal", "log.db-shm", "log.db.lock", "secrets.db", "seals.jsonl")
READ = ("secrets.db.key", "seal.key")


def take(home: Path) -> None:
    """Make the folder if there is none; refuse one in which no controller can run."""
    if why := why_not(home):
        raise BadSetting(why)
    home.mkdir(parents=True, exist_ok=True)


def why_not(home: Path) -> str:
    """Why no controller can run in this folder, and what to do; empty if one can."""
    near = next(one for one in (home, *home.parents) if one.exists())
    if not near.is_dir():
        return f"{near} is no folder: name another as the data folder (--home, SAGASTACK_HOME)"
    if near != home:
        return _refused(near, home, os.W_OK | os.X_OK)
    asked = [(near, os.R_OK | os.W_OK | os.X_OK)]
    asked += [(home / name, os.R_OK | os.W_OK) for name in WRITTEN]
    asked += [(home / name, os.R_OK) for name in READ]
    found = (_refused(path, home, mode) for path, mode in asked if path.exists())
    return next(filter(None, found), "")


def _refused(path: Path, home: Path, mode: int) -> str:
    if os.access(path, mode, effective_ids=True):
        return ""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return (
            f"{path} lies on a file system that is mounted read-only, as a disk is that failed "
            "(see dmesg): mount it for writing, or name another data folder (--home)"
        )
    me, owner = _name(os.geteuid()), _name(path.stat().st_uid)
    return (
        f"{path} cannot be written to, or read, by {me}: it is {owner}'s; run this as {owner}, "
        f"have root run `chown -R {me} {home}`, or name another data folder (--home)"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
