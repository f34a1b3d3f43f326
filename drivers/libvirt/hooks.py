"""Scripts of an operator on a host: started once for each key, and on their own from then on.

A script outlives the connection that started it, and the controller. The folder of its key holds
what it wrote (`said`), how it ended (`status`), and a folder for each life of the host in which it
was begun, named by the host's boot id and made by whoever runs it, with the process (`pid`). So it
runs once in a life of its host, and whoever asks again waits for the same one.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.hooks import Hook, HookEnd, HookResult, end_of
from drivers.libvirt.shell import Shell

LATE = 124  # What `timeout` says of a command that it ended.
LOOK_S = 15  # How long one look at a script waits for its end.

# $1 the folder of scripts, $2 the stage, $3 the folder of the key.
FIND = """
folder=$1 stage=$2 at=$3
[ ! -e "$at/status" ] || { echo "$at/status"; exit 0; }
for one in "$folder/$stage" "$folder/$stage.sh" "$folder/$stage.py"; do
  [ -f "$one" ] || continue
  [ -x "$one" ] || { echo "$one is not executable: chmod +x it" >&2; exit 3; }
  echo "$one"; exit 0
done
"""
# $1 the folder of the key, $2 how long it may take, $3 the script and the rest its arguments.
RUN = """
at=$1 limit=$2 life=$(cat /proc/sys/kernel/random/boot_id)
shift 2
mkdir -p -m 700 "$at" || exit 3
find "${at%/*}" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf -- {} + 2>/dev/null
[ ! -e "$at/status" ] && [ ! -e "$at/$life" ] || exit 0
for one in "$at"/*-*; do [ ! -d "$one" ] || export HOOK_RESTARTED=1; done
setsid sh -c '
  at=$1 life=$2 limit=$3
  shift 3
  mkdir "$at/$life" 2>/dev/null || exit 0
  echo $$ >"$at/$life/new" && mv -f "$at/$life/new" "$at/$life/pid"
  timeout -k 10 "$limit" "$@" >>"$at/said" 2>&1 </dev/null
  echo $? >"$at/new" && mv -f "$at/new" "$at/status"
' hook "$at" "$life" "$limit" "$@" >/dev/null 2>&1 </dev/null &
"""
# $1 the folder of the key, $2 tenths of a second to wait. Says `running`, `lost` or its status.
LOOK = """
at=$1 left=$2 life=$(cat /proc/sys/kernel/random/boot_id)
while [ ! -e "$at/status" ]; do
  if [ -e "$at/$life/pid" ] && ! kill -0 "$(cat "$at/$life/pid")" 2>/dev/null; then
    [ -e "$at/status" ] && break
    echo lost; exit 0
  fi
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo running; exit 0; }
  sleep 0.1
done
cat "$at/status"
tail -c 4000 "$at/said" 2>/dev/null || true
"""


async def run(shell: Shell, hook: Hook, *, base: str, key: UUID) -> HookResult:
    """How the script ended; waits for it as long as it may take."""
    if not hook.folder.startswith("/"):
        raise Refused(f"{hook.folder!r} is no folder of a host: its path begins with /")
    at = f"{base}/{key}"
    found = await shell.run("sh", "-uc", FIND, "sh", hook.folder, str(hook.stage), at)
    if found.code:
        return HookResult(end=HookEnd.FAILED, said=found.complaint)
    script = found.stdout.strip()
    if not script or hook.only_look:
        return HookResult(end=HookEnd.DONE if script else HookEnd.ABSENT)
    words = (str(hook.timeout_s), script, *hook.arguments)
    begun = await shell.run("sh", "-uc", RUN, "sh", at, *words)
    if begun.code:
        raise Unavailable(f"{script} cannot be started: {begun.complaint}")
    return await _ended(shell, hook, script, at)


async def _ended(shell: Shell, hook: Hook, script: str, at: str) -> HookResult:
    try:
        async with asyncio.timeout(hook.timeout_s + 60):
            while True:
                seen = await shell.run("sh", "-uc", LOOK, "sh", at, str(LOOK_S * 10))
                status, _, said = seen.stdout.partition("\n")
                if status.isdigit():
                    return _result(int(status), said, hook)
                if status == "lost":
                    return HookResult(end=HookEnd.FAILED, said=f"{script} was killed on its host")
                if seen.code or status != "running":
                    raise Unavailable(f"{script}: no word of how it goes: {seen.complaint}")
    except TimeoutError:
        raise Unknown(f"{script} is not over after {hook.timeout_s} s, nor ended") from None


def _result(status: int, said: str, hook: Hook) -> HookResult:
    said = said.strip()
    if status == LATE:
        said = f"ended after {hook.timeout_s} s, which is all it may take. {said}".strip()
    return HookResult(end=end_of(status), said=said or f"exit status {status}" if status else said)
