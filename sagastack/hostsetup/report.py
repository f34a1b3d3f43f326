"""What a part of the host set-up found and did, and what a person could do about the rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO


@dataclass(frozen=True)
class Report:
    """`ok`: the thing is usable now. If not, `missing` says why and `remedy` what to do about it.

    `did` names the changes that were made (empty: all was in place), `facts` what others need to
    know of the result, such as a connection address.
    """

    ok: bool
    did: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    remedy: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for a person."""
        if self.ok:
            return "; ".join(self.did) or "in place"
        why = "; ".join(self.missing) or "not usable"
        return f"{why} ({self.remedy})" if self.remedy else why


class CommandFailed(Exception):
    """A program was absent, failed or ran out of time; the message carries its own words."""


async def run(*argv: str, timeout_s: float = 15.0) -> str:
    """Run a program to its end and give what it printed.

    It prints to files and not to pipes: a daemon that it leaves behind may keep those open, and
    one waits for a pipe until its last holder is gone.
    """
    env = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    line = " ".join(argv)
    with TemporaryFile() as out, TemporaryFile() as words:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=words
            )
        except FileNotFoundError as err:
            raise CommandFailed(f"{argv[0]} is not installed") from err
        except PermissionError as err:
            raise CommandFailed(f"{argv[0]} may not be run by this user") from err
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError as err:
            raise CommandFailed(f"`{line}` did not end within {timeout_s:g} s") from err
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode:
            said = " ".join((_text(words) or _text(out)).split())
            raise CommandFailed(f"`{line}` failed: {said[-300:]}")
        return _text(out)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
