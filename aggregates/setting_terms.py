"""What is known of a setting: its type, its range, its default, and where it may be set.

A setting that is `kept` is known because tools set it when they build a zone; nothing reads it.
None is a secret: values lie in the log and in lists, secrets in the vault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aggregates.errors import Invalid
from aggregates.setting_groups import group_of

ACCOUNT = ("global", "domain", "account")
ZONE, CLUSTER = ("global", "zone"), ("global", "zone", "cluster")
POOL = ("global", "zone", "storagepool")

INTEGERS = (-(2**31), 2**31 - 1)
WHOLE = (0, 2**31 - 1)
SHARE = (0.0, 1.0)
VALUE_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class KnownSetting:
    """`kind` is Boolean, Integer, Decimal or String. `scopes` are what it can be set for.

    `between` are the least and the most that a number may be, `options` all that a text may be;
    `form` is a pattern that it has to match, and that in words.
    """

    name: str
    kind: str
    default: str
    text: str
    category: str = "Advanced"
    scopes: tuple[str, ...] = ("global",)
    kept: bool = False
    between: tuple[float, float] | None = None
    options: tuple[str, ...] = ()
    form: tuple[str, str] | None = None

    @property
    def group(self) -> tuple[str, str]:
        """What it is about: in broad terms, and in narrower ones."""
        return group_of(self.name)

    @property
    def range(self) -> str:
        """What its value may be, in words."""
        if self.kind == "Boolean":
            return "true or false"
        if self.options:
            return f"one of {', '.join(self.options)}"
        if self.form is not None:
            return self.form[1]
        if self.kind == "String":
            return f"text of at most {VALUE_LENGTH} characters"
        least, most = self._bounds
        word = "a whole number" if self.kind == "Integer" else "a number"
        if most == float("inf"):
            return f"{word} of at least {least:g}"
        return f"{word} from {least:.12g} to {most:.12g}"

    def check(self, value: str) -> None:
        """Refuse a value of another type or outside the range; the refusal names the range."""
        if not self._fits(value):
            raise Invalid(
                f"{self.name} cannot be {value[:50]!r}: it is {self.range}", field="value"
            )

    @property
    def _bounds(self) -> tuple[float, float]:
        return self.between or (INTEGERS if self.kind == "Integer" else (0.0, float("inf")))

    def _fits(self, value: str) -> bool:
        if self.kind == "Boolean":
            return value.lower() in ("true", "false")
        if self.kind == "String":
            if self.form is not None:
                return re.fullmatch(self.form[0], value) is not None
            return len(value) <= VALUE_LENGTH and (not self.options or value in self.options)
        try:
            number = int(value) if self.kind == "Integer" else float(value)
        except ValueError:
            return False
        least, most = self._bounds
        return value.isascii() and least <= number <= most and number < float("inf")
