"""Figures in Prometheus's text format (exposition format 0.0.4).

Names follow Prometheus's conventions: base units in the name (seconds, bytes, hertz), `_total` for
what only grows. Labels take few values: never an id of a tenant, or of what a tenant owns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

PREFIX = "sagastack_"
Labels = Mapping[str, str]


@dataclass(slots=True)
class Family:
    """One metric with all its samples. A sample is a name's ending, its labels and its value."""

    name: str
    kind: str
    about: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> Family:
        self.samples.append(("", labels, value))
        return self


def gauge(name: str, about: str, *values: float) -> Family:
    """A figure that rises and falls."""
    return _family(name, "gauge", about, values)


def counter(name: str, about: str, *values: float) -> Family:
    """A figure that only grows, from 0 at the start of this process."""
    assert name.endswith("_total"), f"{name} counts: its name ends in _total"
    return _family(name, "counter", about, values)


def by_label(family: Family, label: str, values: Mapping[str, float]) -> Family:
    """A sample for each value of a label, in order."""
    for word in sorted(values):
        family.add(values[word], **{label: word})
    return family


class Histogram:
    """Counts observations by their upper bounds; the last bucket takes all."""

    def __init__(self, *bounds: float) -> None:
        assert bounds == tuple(sorted(bounds)), "bounds ascend"
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def into(self, family: Family, **labels: str) -> Family:
        """Add what was counted, as the format wants it: each bucket holds those below it too."""
        bounds = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        totals = list(accumulate(self.counts))
        for bound, total in zip(bounds, totals, strict=True):
            family.samples.append(("_bucket", {**labels, "le": bound}, total))
        family.samples.append(("_sum", labels, self.sum))
        family.samples.append(("_count", labels, totals[-1]))
        return family


def histogram(name: str, about: str, counted: Mapping[str, Histogram], label: str = "") -> Family:
    """One family of several histograms by a label; of one, without a label, under the name ''."""
    family = Family(name, "histogram", about)
    for word in sorted(counted):
        counted[word].into(family, **({label: word} if label else {}))
    return family


def render(families: Iterable[Family]) -> str:
    """The text, each family once. Two of one name would be refused by who reads it, so by us."""
    lines: list[str] = []
    seen: set[str] = set()
    for family in families:
        assert family.name not in seen, f"two metrics are called {family.name}"
        seen.add(family.name)
        lines.append(f"# HELP {PREFIX}{family.name} {_escaped(family.about)}")
        lines.append(f"# TYPE {PREFIX}{family.name} {family.kind}")
        for ending, labels, value in family.samples:
            lines.append(f"{PREFIX}{family.name}{ending}{_labels(labels)} {_number(value)}")
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, about: str, values: Iterable[float]) -> Family:
    return Family(name, kind, about, [("", {}, value) for value in values])


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    told = (f'{name}="{_escaped(value, quotes=True)}"' for name, value in labels.items())
    return "{" + ",".join(told) + "}"


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    """Whole numbers as such, however large: a position must not lose its last digits."""
    return str(int(value)) if value == int(value) else repr(float(value))
