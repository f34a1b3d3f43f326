"""A tenant's proof holds all that is its own, nothing of anybody else, and cannot be falsified."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Raw
from msgspec.structs import replace

from engine.log import read_seals
from engine.log.merkle import leaf
from engine.log.seal import SEALS
from engine.log.tree import Tree
from sagastack.backups.sources import signing_key
from sagastack.proofs.shapes import Line, Own, Sealed, Stated
from sagastack.proofs.tenant import CannotProve, Proved, write
from sagastack.proofs.whole import Verified
from sagastack.settings import Settings
from sagastack.tools.verify import verify
from tests.proofs.tenants import (
    Tenants,
    create,
    events,
    hand_over,
    lines_of,
    rewritten,
    stored,
    tenants,
)
from tests.tools.run import run_tool

FORGER = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))


@pytest.fixture(params=["sqlite", "postgres"])
async def lived(
    request: pytest.FixtureRequest, tmp_path: Path, database: Callable[[str, Path], str]
) -> AsyncIterator[Tenants]:
    home = tmp_path / "home"
    home.mkdir()
    one = await tenants(database(request.param, home / "log.db"), home)
    await one.live(seed=1, rounds=60)
    yield one
    await one.log.close()


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Tenants]:
    home = tmp_path / "home"
    home.mkdir()
    one = await tenants(f"sqlite://{home}/log.db", home)
    await one.live(seed=2, rounds=40)
    yield one
    await one.log.close()


def proof(lived: Tenants, who: int, out: Path) -> Proved:
    return write(
        lived.url,
        lived.home,
        lived.accounts[who],
        out,
        at_ms=9,
        release="test",
        signer=signing_key(lived.home),
    )


async def checked(*files: Path, kept: Path | None = None, store: str = "") -> Verified:
    nowhere = Settings(home=Path("/nowhere"), store=store)
    return await verify(nowhere, files=files, kept=kept, against_store=bool(store))


async def test_each_tenant_is_shown_all_that_is_its_own_and_nothing_else(
    lived: Tenants, tmp_path: Path
) -> None:
    whole = await lived.log.read_stored(limit=10**6)
    for who, account in enumerate(lived.accounts):
        made = proof(lived, who, tmp_path / f"{who}.proof.gz")
        found = await checked(made.path, kept=lived.home, store=lived.url)
        assert found.faults == [] and found.what == "proof"
        shown = stored(lines_of(made.path))
        assert [row.position for row in shown] == lived.own[account]
        assert shown == [whole[n - 1] for n in lived.own[account]]
        # Of the others there are neither ids nor content, only hashes.
        plain = zlib.decompress(made.path.read_bytes(), zlib.MAX_WBITS | 16).decode()
        others = set(range(len(whole))) - {n - 1 for n in lived.own[account]}
        ours = {row.stream for row in shown}
        for row in (whole[n] for n in others):
            assert row.stream in ours or str(row.stream) not in plain
        assert made.unsealed == 0 and made.stated.events == len(shown)


async def test_what_is_handed_over_is_the_new_owners_from_then_on(
    small: Tenants, tmp_path: Path
) -> None:
    ann, bob, _ = small.accounts
    pair = uuid4()
    fields = {"name": "k", "public_key": "ssh-ed25519 A", "fingerprint": "x", "domain_id": uuid4()}
    await small.write(ann, pair, 0, create("ssh_key_pair", account_id=ann, **fields))
    await small.write(bob, pair, 1, hand_over(bob))
    await small.write(bob, pair, 2, hand_over(bob))
    await small.write(ann, pair, 3, hand_over(ann))
    await small.seal()
    for who, account in enumerate((ann, bob)):
        made = proof(small, who, tmp_path / f"{who}.gz")
        assert (await checked(made.path, kept=small.home)).faults == []
        assert [row.position for row in stored(lines_of(made.path))] == small.own[account]


async def test_a_later_proof_is_held_against_an_earlier_one(small: Tenants, tmp_path: Path) -> None:
    old = proof(small, 0, tmp_path / "old.gz")
    await small.live(seed=3, rounds=30)
    new = proof(small, 0, tmp_path / "new.gz")
    assert (await checked(old.path, new.path)).faults == []
    assert (await checked(new.path, old.path)).faults
    other = proof(small, 1, tmp_path / "other.gz")
    assert "another account" in (await checked(old.path, other.path)).faults[0]

    # The operator hides, with the true key, an event that it has shown before.
    def hide(lines: list[Line]) -> list[Line]:
        del lines[events(lines)[2]]
        return lines

    signer = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex((small.home / "seal.key").read_text())
    )
    hidden = rewritten(new.path, lambda lines: restated(hide(lines)), signer)
    told = await checked(old.path, hidden)
    assert any("not those of the proof before" in fault for fault in told.faults)
    # Without the earlier one only an auditor with the log finds the lie.
    assert (await checked(hidden, kept=small.home)).faults == []
    (fault,) = (await checked(hidden, store=small.url)).faults
    assert "the statement is not true" in fault


def restated(lines: list[Line]) -> list[Line]:
    """The statement made to fit the events that are there."""
    tree = Tree()
    for row in stored(lines):
        tree.add(leaf(row))
    *rest, last = lines
    assert isinstance(last, Stated)
    return [*rest, replace(last, events=tree.count, root=tree.root().hex())]


def change(lines: list[Line]) -> list[Line]:
    at = events(lines)[3]
    own = lines[at]
    assert isinstance(own, Own)
    lines[at] = replace(own, state=Raw(bytes(own.state).replace(b"1", b"2", 1)))
    return lines


def retopic(lines: list[Line]) -> list[Line]:
    at = events(lines)[3]
    own = lines[at]
    assert isinstance(own, Own)
    lines[at] = replace(own, topic="api_key.removed")
    return lines


def drop(lines: list[Line]) -> list[Line]:
    """One that others of its stream follow."""
    last = {own.stream: own.version for own in map(own_of, events_in(lines))}
    gone = next(own for own in map(own_of, events_in(lines)) if own.version < last[own.stream])
    lines.remove(gone)
    return lines


def events_in(lines: list[Line]) -> list[Line]:
    return [lines[n] for n in events(lines)]


def own_of(line: Line) -> Own:
    assert isinstance(line, Own)
    return line


def drop_last(lines: list[Line]) -> list[Line]:
    del lines[events(lines)[-1]]
    return lines


def swap(lines: list[Line]) -> list[Line]:
    """Two neighbours under one seal."""
    at = next(n for n in events(lines) if n + 1 in events(lines))
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return lines


def insert(lines: list[Line]) -> list[Line]:
    at = events(lines)[3]
    own = own_of(lines[at])
    slipped = replace(own, stream=uuid4(), version=1, position=own.position + 1)
    return [*lines[: at + 1], slipped, *lines[at + 1 :]]


def cut(lines: list[Line]) -> list[Line]:
    return [*lines[:-4], lines[-1]]


def no_end(lines: list[Line]) -> list[Line]:
    return lines[:-1]


def other_seal(lines: list[Line]) -> list[Line]:
    at = next(n for n, line in enumerate(lines) if isinstance(line, Sealed))
    sealed = lines[at]
    assert isinstance(sealed, Sealed)
    lines[at] = Sealed(replace(sealed.seal, root="00" * 32))
    return lines


@pytest.mark.parametrize(
    ("falsify", "named"),
    [
        (change, "the event is not what seal"),
        (retopic, "the event is not what seal"),
        (drop, "are left out"),
        (drop_last, "events were stated"),
        (swap, "out of its order"),
        (insert, "the event is not what seal"),
        (cut, "events were stated"),
        (no_end, "no statement at its end"),
        (other_seal, "is not signed by this key"),
    ],
)
async def test_a_falsified_proof_is_found_out_and_named(
    small: Tenants, tmp_path: Path, falsify: Callable[[list[Line]], list[Line]], named: str
) -> None:
    made = proof(small, 0, tmp_path / "a.gz")
    told = await checked(rewritten(made.path, falsify))
    assert any(named in fault for fault in told.faults), told.faults
    # Whoever also makes the statement fit lacks the key.
    told = await checked(rewritten(made.path, lambda lines: fitting(falsify(lines))))
    assert told.faults


def fitting(lines: list[Line]) -> list[Line]:
    return restated(lines) if isinstance(lines[-1], Stated) else lines


async def test_another_key_is_found_by_the_copy(small: Tenants, tmp_path: Path) -> None:
    made = proof(small, 0, tmp_path / "a.gz")
    forged = rewritten(made.path, lambda lines: lines, FORGER)
    alone = await checked(forged)
    assert alone.faults == [] and any("the proof itself holds" in note for note in alone.notes)
    told = await checked(forged, kept=small.home)
    assert any("signed by somebody else" in fault for fault in told.faults)
    assert any("is not signed by this key" in fault for fault in told.faults)
    # The true key, but a seal that is not the one in the copy.
    seals = read_seals(small.home / "seals.jsonl")
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "seal.pub").write_text((small.home / "seal.pub").read_text())
    shifted = [replace(one, at_ms=one.at_ms + 1) for one in seals]
    encode = msgspec.json.encode
    (kept / "seals.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in shifted))
    told = await checked(made.path, kept=kept)
    assert all("not the one in the copy" in fault for fault in told.faults) and told.faults


async def test_no_byte_of_a_proof_can_be_changed(small: Tenants, tmp_path: Path) -> None:
    made = proof(small, 0, tmp_path / "a.gz")
    whole = made.path.read_bytes()
    flipped = tmp_path / "flipped.gz"
    for at in [*range(0, len(whole), 97), *range(len(whole) - 130, len(whole))]:
        flipped.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert (await checked(flipped)).faults, f"byte {at}"
    for length in (0, 1, 50, len(whole) - 1, len(whole) // 2):
        flipped.write_bytes(whole[:length])
        assert (await checked(flipped)).faults, f"{length} bytes"


async def test_what_cannot_be_proved_is_refused(small: Tenants, tmp_path: Path) -> None:
    out = tmp_path / "x.gz"

    def refused(text: str, account: UUID | None = None) -> None:
        whose = account or small.accounts[0]
        with pytest.raises(CannotProve, match=text):
            write(
                small.url,
                small.home,
                whose,
                out,
                at_ms=9,
                release="test",
                signer=signing_key(small.home),
            )
        assert list(tmp_path.glob("x.gz*")) == []

    refused("knows no account", account=uuid4())
    (small.home / "seal.key").rename(small.home / "away")
    refused("put seal.key back")
    (small.home / "away").rename(small.home / "seal.key")
    seals = small.home / "seals.jsonl"
    kept = seals.read_text()
    seals.write_text(kept.replace('"root":"', '"root":"00', 1))
    refused("run `sagastack verify`")
    seals.unlink()
    refused("nothing is sealed yet")


async def test_the_command_proves_another_store_by_what_lies_beside_it(
    small: Tenants, tmp_path: Path
) -> None:
    """Or, where nothing does, says whose seals the home holds."""
    home = tmp_path / "other"
    home.mkdir()
    other = await tenants(f"sqlite://{home}/log.db", home)
    await other.live(seed=3, rounds=40)
    await other.log.close()
    words = ["--home", str(home), "prove", "--store", small.url]
    words += ["--account", str(small.accounts[0]), "--out"]
    proof = tmp_path / "own.gz"
    status, out, err = await asyncio.to_thread(run_tool, *words, str(proof))
    assert status == 0 and str(proof) in out, out + err
    (fault,) = (await checked(proof, store=other.url)).faults
    assert "the proof is of cloud" in fault and "--store" in fault
    assert (await verify(Settings(home=home), files=[proof], kept=small.home)).ok
    (small.home / SEALS).unlink()
    status, _, err = await asyncio.to_thread(run_tool, *words, str(tmp_path / "no.gz"))
    assert status == 1 and "whose log lies beside them" in err and "--home DIR" in err
