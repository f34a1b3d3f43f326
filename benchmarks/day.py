"""A day of a cloud of 30,000 hosts and a million guests that come and go, or a share of it.

The whole engine runs on a clock that jumps (`day_run`); what is simulated is only what hosts take
for what they are told. By default it is a cloud of a two-hundredth of the hosts and of the guests,
as dense and as busy; `python -m benchmarks.day 1 [FOLDER]` is the whole. That takes hours and is
kept in FOLDER, by default `var/day`: broken off, by Ctrl-C, SIGTERM or even SIGKILL, it goes on
when the same is asked for again. Latency is the clock's: what hosts take, waits for each other and
for commits, without the time that the CPU takes, which is told beside it. Nobody sweeps the hosts
meanwhile: what a sweep costs is measured at the end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.plot import Panel, write
from benchmarks.replay import save_checkpoint

HOSTS, LIFECYCLES, ALIVE = 30_000, 1_000_000, 100_000
SHARE = 1 / 200
STRETCH_S = 3600.0
MIB, GB = 1024**2, 1e9
PICTURE = Path(__file__).parents[1] / "docs" / "scale" / "day.svg"
Row = dict[str, Any]


async def simulated(share: float, home: Path, *, say: bool = False) -> tuple[Row, list[Row], Row]:
    """What was told when the cloud was built, of each stretch of its day, and at the end.

    A day that was broken off in this folder goes on; one that is over is told again.
    """
    asked: Row = {"hosts": HOSTS, "lifecycles": LIFECYCLES, "alive": ALIVE}
    asked = {name: max(1, round(share * whole)) for name, whole in asked.items()}
    told, keep = before(home, asked["hosts"])
    if told and "swept_s" in told[-1]:
        return told[0], told[1:-1], told[-1]
    if told:  # a long past is folded by two processes, for which a clock that jumps has no patience
        await save_checkpoint(home)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.day_run"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None
    more = {"home": str(home), "began_ms": told[0]["began_ms"] if told else None}
    try:
        child.stdin.write(json.dumps(asked | more).encode() + b"\n")
        while True:
            async with asyncio.timeout(STRETCH_S):
                line = await child.stdout.readline()
            if not line:
                break
            one = json.loads(line)
            told.append(one if told else asked | one)
            keep(told[-1])
            if say:
                print(line.decode().rstrip(), flush=True)
        await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, f"the day ended with {child.returncode}"
    return told[0], told[1:-1], told[-1]


def before(home: Path, hosts: int) -> tuple[list[Row], Callable[[Row], None]]:
    """What was told of the day in this folder until it was broken off, and what keeps more."""
    path = home / "told.jsonl"
    told: list[Row] = []
    if path.exists():
        told = [json.loads(line) for line in path.read_text().splitlines()]
        assert told[0]["hosts"] == hosts, f"the day in {home} is of another size; name a new folder"
    elif (home / "log.db").exists():
        raise SystemExit(f"{home}: its cloud was not built to the end; remove it, and begin anew")

    def keep(one: Row) -> None:
        with path.open("a") as kept:
            kept.write(json.dumps(one) + "\n")

    return told, keep


def rows(first: Row, stretches: list[Row], last: Row, share: float) -> list[Row]:
    # A day that was killed and went on has told less than what happened.
    lifecycles = sum(one["deployed"] + one["ended"] for one in stretches) / 2
    busy = [one for one in stretches if one["deployed"] and one["ended"]]
    slowest = max(busy, key=lambda one: one["p99_s"])
    cpu_s = sum(one["cpu_s"] for one in stretches)
    real_s = sum(one["real_s"] for one in stretches)
    peak = max(one["resident_bytes"] for one in stretches)
    most = max(one["guests"] for one in stretches)
    events = stretches[-1]["events"] - first["events"]
    log_bytes = stretches[-1]["log_bytes"]
    early, late = (sum(map(cost_us, some)) / len(some) for some in thirds(busy))
    whole = "" if share >= 1 else f"; the whole takes {cpu_s / share / 60:.0f} minutes of CPU"
    return [
        {
            "name": "day.deploy_p99",
            "value": round(slowest["p99_s"], 2),
            "unit": "s, by the clock",
            "limit": round(slowest["p50_s"], 2),
            "ratio": round(slowest["p99_s"] / slowest["p50_s"], 2),
            "note": "in the half hour in which it was largest; the limit is that half hour's "
            "median, which is what hosts take",
        },
        {
            "name": "day.cpu",
            "value": round(1000 * cpu_s / lifecycles, 2),
            "unit": "ms CPU/lifecycle",
            "note": f"{lifecycles:,.0f} lifecycles on {first['hosts']:,} hosts; a million a day "
            f"keep {100 * cpu_s / lifecycles * LIFECYCLES / 86_400:.0f} % of a core busy; "
            f"{real_s:.0f} s for this one{whole}",
        },
        {
            "name": "day.growth",
            "value": round(late),
            "unit": "us CPU/event, late",
            "limit": round(early),
            "ratio": round(late / early, 2),
            "note": "the last third of the day against the first: what a longer log costs",
        },
        {
            "name": "day.log",
            "value": round(log_bytes / first["lifecycles"]),
            "unit": "bytes/lifecycle",
            "note": f"{events / first['lifecycles']:.1f} events each; a million are "
            f"{log_bytes / first['lifecycles'] * LIFECYCLES / GB:.1f} GB a day",
        },
        {
            "name": "day.memory",
            "value": round(peak / MIB),
            "unit": "MiB resident at most",
            "limit": round(first["empty_bytes"] / MIB),
            "note": f"{most:,} guests at most; the limit is the same cloud before its first guest",
        },
        {
            "name": "day.sweep",
            "value": round(1e6 * last["swept_s"] / first["hosts"]),
            "unit": "us CPU/host and look",
        },
    ]


def cost_us(stretch: Row) -> float:
    """CPU of an event: guests begin in the morning and end in the evening, which costs more."""
    return float(1e6 * stretch["cpu_s"] / stretch["wrote"])


def thirds(stretches: list[Row]) -> tuple[list[Row], list[Row]]:
    size = max(1, len(stretches) // 3)
    return stretches[:size], stretches[-size:]


def picture(first: Row, stretches: list[Row]) -> None:
    """Latency, cost, log and memory over the hours of the day."""

    def line(value: Any) -> list[tuple[float, float]]:
        return [(round(one["hour"], 2), value(one)) for one in stretches if one["hour"] <= 24.01]

    about = f"hour; {first['lifecycles']:,} guests on {first['hosts']:,} hosts"
    waits = {"p99": line(lambda one: one["p99_s"]), "median": line(lambda one: one["p50_s"])}
    spent = line(lambda one: cost_us(one) if one["wrote"] else 0.0)
    memory = line(lambda one: one["resident_bytes"] / MIB)
    write(
        PICTURE,
        [
            Panel("Deploy to Running, seconds by the clock", about, waits),
            Panel("CPU of an event, µs", about, {"CPU": spent}),
            Panel("Log, MB", about, {"on disk": line(lambda one: one["log_bytes"] / 1e6)}),
            Panel("Resident memory, MiB", about, {"controller and its hosts": memory}),
            Panel("Guests", about, {"there": line(lambda one: one["guests"])}),
            Panel("Deployed in half an hour", about, {"": line(lambda one: one["deployed"])}),
        ],
    )


async def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        first, stretches, last = await simulated(SHARE, Path(folder))
    picture(first, stretches)
    return rows(first, stretches, last, SHARE)


async def main(share: float, home: Path) -> None:
    """A day that may be broken off: a checkpoint then makes its going on a matter of seconds."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        first, stretches, last = await simulated(share, home, say=True)
    except asyncio.CancelledError:
        await save_checkpoint(home)
        print(f"broken off; it goes on when it is asked for again with {home}")
        return
    picture(first, stretches)
    for row in rows(first, stretches, last, share):
        print(row)


if __name__ == "__main__":
    words = sys.argv[1:]
    share = float(words[0]) if words else SHARE
    home = Path(words[1] if len(words) > 1 else "var/day")
    home.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(share, home))
