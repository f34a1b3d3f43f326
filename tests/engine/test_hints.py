"""One annotation is evaluated, whatever the others name."""

from __future__ import annotations

from types import NoneType
from typing import Any
from uuid import UUID

from engine.hints import hint


def told(ask: UUID, other: int) -> None:
    """Nothing of it is called."""


def test_an_annotation_is_evaluated_alone() -> None:
    told.__annotations__["other"] = "what no module knows"
    assert hint(told, "ask") is UUID
    assert hint(told, "return") is NoneType


def test_what_is_not_annotated_may_be_anything() -> None:
    assert hint(told, "bare") is Any
