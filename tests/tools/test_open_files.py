"""A controller opens as many files as the system lets it; the doctor says when these are few."""

from __future__ import annotations

import resource

import pytest

from sagastack import open_files


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits as they were set, the newest last."""
    said = [(1024, 524_288)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: said[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, both: said.append(both))
    return said


def test_it_is_raised_to_the_hard_limit_and_said_once(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    open_files.allow_all()
    open_files.allow_all()
    assert limits[1:] == [(524_288, 524_288)]
    assert caplog.messages == ["the limit of open files is raised from 1024 to 524288"]


@pytest.mark.parametrize("hard", [2**30, resource.RLIM_INFINITY])
def test_it_is_not_raised_without_end(limits: list[tuple[int, int]], hard: int) -> None:
    limits.append((1024, hard))
    open_files.allow_all()
    assert limits[-1] == (2**20, hard)


def test_a_system_that_does_not_let_it_is_no_reason_to_stop(
    limits: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def no(which: int, both: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "setrlimit", no)
    open_files.allow_all()
    assert caplog.messages == ["the limit of open files stays 1024 of 524288: not allowed"]


@pytest.mark.parametrize(
    ("hard", "ok"), [(1024, False), (4095, False), (4096, True), (resource.RLIM_INFINITY, True)]
)
def test_the_doctor_warns_of_few(limits: list[tuple[int, int]], hard: int, ok: bool) -> None:
    limits.append((1024, hard))
    found = open_files.check()
    assert (found.ok, found.needed) == (ok, False)
    assert "LimitNOFILE" in found.remedy
