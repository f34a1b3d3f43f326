"""What an agent reports of its machine, as lines of words, read into a card.

uuid 1b2c...        cpus 8        mhz 800         memory_kib 16384000      model ACME R1
rated base 2400     rated booted 2400                   (WHO MHZ; mhz is what it runs at now)
disk sda 480103981056 0 blank SERIAL model words        (name, bytes, rotational, blank|used)
label sda SAGASTACK-DISK volume=...
nic eth0 52:54:00:00:00:01 up
"""

from __future__ import annotations

from drivers.baremetal import label
from drivers.baremetal.cards import Card, Disk, Nic, Volume
from drivers.contract.errors import Unavailable

RATED_BY = ("base", "nominal", "name", "booted", "highest", "socket")
"""Who may say what a processor is rated at, the more exact before the less: cpufreq's base
frequency, ACPI's nominal one, Intel's name of the model, SMBIOS's speed after booting; then what
may be a burst of one core: cpufreq's highest, and SMBIOS's highest that the board can do."""
LEAST_MHZ, MOST_MHZ = 100, 20_000


def parse(text: str) -> dict[str, list[str]]:
    """The lines by their first word."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines()[:500]:
        word, _, rest = line.strip().partition(" ")
        if word:
            found.setdefault(word, []).append(rest.strip())
    return found


def apply(card: Card, said: dict[str, list[str]], *, erase: bool) -> None:
    """Let a card say what the machine itself says. `erase`: what nobody knows is wiped, not kept.

    The machine is believed about its disks; the card about what a disk without a label holds.
    """
    one = {word: lines[0] for word, lines in said.items()}
    try:
        cpus, memory_kib = int(one["cpus"]), int(one["memory_kib"])
        mhz = _mhz(said)
        disks = [_disk(line) for line in said.get("disk", ())]
    except (KeyError, ValueError, IndexError) as error:
        raise Unavailable(
            f"the agent on {card.node} reports what makes no sense: {error}"
        ) from error
    card.hardware_id = one.get("uuid", "").lower() or card.hardware_id or card.node
    card.cpu_count, card.cpu_mhz = max(1, cpus), max(1, mhz)
    card.memory_bytes, card.model = memory_kib * 1024, one.get("model", "")
    card.nics = [_nic(line) for line in said.get("nic", ())]
    labels = {
        line.split(" ", 1)[0]: label.read(line.partition(" ")[2]) for line in said.get("label", ())
    }
    before = {disk.path: disk for disk in card.disks}
    for disk, blank in disks:
        _carry_over(disk, before.get(disk.path), labels.get(disk.name), blank=blank, erase=erase)
    card.disks = [disk for disk, _ in disks]


def _mhz(said: dict[str, list[str]]) -> int:
    """What each core is rated at; what it runs at now only if nobody says.

    Of processors that differ the slowest counts. What no processor can be rated at is not heard.
    """
    rated: dict[str, int] = {}
    for line in said.get("rated", ()):
        who, _, value = line.partition(" ")
        mhz = int(value) if value.isdecimal() else 0
        if LEAST_MHZ <= mhz <= MOST_MHZ:
            rated[who] = min(mhz, rated.get(who, mhz))
    now = said.get("mhz", [""])[0] or "0"
    return next((rated[who] for who in RATED_BY if who in rated), int(float(now)))


def _carry_over(
    disk: Disk, known: Disk | None, said: Volume | None, *, blank: bool, erase: bool
) -> None:
    if known is not None:
        disk.dirty, disk.was = known.dirty, known.was
    if disk.dirty and (said is None or said.volume_id == disk.was):
        return
    kept = known.volume if known is not None else None
    if kept is not None and (blank or known is None or known.serial != disk.serial):
        kept.written = ""  # It is another disk, or an empty one.
    if said is not None and kept is not None and kept.whole and kept.volume_id == said.volume_id:
        disk.volume = kept  # Newer than the label: sizes and owners are written there later.
    elif said is not None:
        disk.volume, disk.dirty, disk.was = said, False, ""
    elif kept is not None and not (kept.whole and blank):
        disk.volume = kept
    elif not blank:
        disk.stranger, disk.dirty = not erase, erase


def _disk(line: str) -> tuple[Disk, bool]:
    name, size, rotational, state, *more = line.split(" ")
    serial, model = (more[0] if more else ""), " ".join(more[1:])
    disk = Disk(
        name=name,
        serial="" if serial == "-" else serial,
        size_bytes=int(size),
        rotational=rotational == "1",
        model=model,
    )
    return disk, state == "blank"


def _nic(line: str) -> Nic:
    name, mac, *more = line.split(" ")
    return Nic(name=name, mac=mac.lower(), up=more[:1] == ["up"])
