"""A machine is reported with the speed that it is rated at, not with that of the moment.

What the agent says is checked by running its own function on the files that a kernel would show;
what we take of it, on what an agent may say.
"""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from drivers.baremetal import agent_report
from drivers.baremetal.cards import Card

AGENT = Path(__file__).parents[2] / "guest" / "agent-init"
CPU = "sys/devices/system/cpu/cpu0"
XEON = "model name\t: Intel(R) Xeon(R) CPU E5-2630 v3 @ 2.40GHz\ncpu MHz\t\t: 1197.302\n"
EPYC = "model name\t: AMD EPYC 7302 16-Core Processor\ncpu MHz\t\t: 1498.120\n"
POPULATED, EMPTY = 0x41, 0x00


def said(root: Path, files: dict[str, bytes | str]) -> list[str]:
    """What the agent's `rated` prints on a machine that shows these files."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    function = re.search(r"^rated\(\) \{\n.*?^\}\n", AGENT.read_text(), re.M | re.S)
    assert function is not None
    done = subprocess.run(
        ["sh", "-c", f"root={root}\n{function[0]}rated"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def socket(highest_mhz: int, booted_mhz: int, status: int = POPULATED) -> bytes:
    """A structure of SMBIOS's type 4 (3.6, 7.5), as far as its status, and some more."""
    return bytes([4, 48, 0, 4]) + bytes(16) + struct.pack("<HHB", highest_mhz, booted_mhz, status)


def test_each_who_knows_is_reported(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        f"{CPU}/cpufreq/base_frequency": "2400000\n",
        f"{CPU}/cpufreq/cpuinfo_max_freq": "3200000\n",
        f"{CPU}/acpi_cppc/nominal_freq": "2401\n",
        "proc/cpuinfo": XEON + XEON,
        "sys/firmware/dmi/entries/4-0/raw": socket(4000, 2400) + bytes(23),
        "sys/firmware/dmi/entries/4-1/raw": socket(4000, 0, EMPTY) + bytes(23),
    }
    assert said(tmp_path, files) == [
        "rated base 2400",
        "rated nominal 2401",
        "rated name 2400",
        "rated booted 2400",
        "rated socket 4000",
        "rated highest 3200",
    ]


def test_a_machine_that_knows_nothing_reports_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, {"proc/cpuinfo": EPYC}) == []


@pytest.mark.parametrize(
    ("lines", "mhz"),
    [
        (["mhz 798.113", "rated highest 3200", "rated base 2100", "rated booted 2000"], 2100),
        (["mhz 798.113", "rated socket 4000", "rated booted 2400", "rated name 2390"], 2390),
        (["mhz 91.004", "rated booted 2000", "rated socket 2000"], 2000),
        (["mhz 798.113", "rated booted 2400", "rated booted 2100"], 2100),  # Two that differ.
        (["mhz 798.113", "rated booted 0", "rated socket 3500"], 3500),  # It is not known.
        (["mhz 798.113", "rated nominal 0", "rated base 7", "rated name 65535"], 798),  # Nonsense.
        (["mhz 798.113", "rated vendor 2500", "rated booted", "rated name ?"], 798),
        (["mhz 2400.000"], 2400),  # An older agent.
        (["mhz", "rated base 2400"], 2400),  # A kernel that does not measure it.
        (["mhz"], 1),
    ],
)
def test_the_speed_is_what_knows_best(lines: list[str], mhz: int) -> None:
    card = Card(node="one")
    report = "\n".join(["cpus 4", "memory_kib 8388608", *lines])
    agent_report.apply(card, agent_report.parse(report), erase=False)
    assert card.cpu_mhz == mhz
