"""Prove that a log is whole: nothing changed, dropped, inserted, or told out of order.

The log may lie in the store, beside a running server or none, or in backups or an export, far from
both. Seals and the key that proves them come from the data folder, from beside a log that lies
elsewhere, or from the backup, or, better, from a copy that somebody kept: `--seals`. Then a log
that was sealed anew, or cut together with its seals, is found out as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.cluster.store import is_shared
from engine.log import LogError, Unreadable
from engine.nouns import load
from sagastack.backups.lines import is_packed
from sagastack.backups.series import Reader
from sagastack.backups.shapes import fingerprint
from sagastack.backups.sources import Chain, Source, chain, chain_of
from sagastack.commands import Commands
from sagastack.proofs import exports
from sagastack.proofs.check import check, is_proof
from sagastack.proofs.tenant import own_root
from sagastack.proofs.whole import Say, Verified, extends, prove
from sagastack.proofs.whose import OthersSeals, refuse_others, seals_folder
from sagastack.settings import BadSetting, Settings


async def verify(
    settings: Settings,
    *,
    files: Sequence[Path] = (),
    kept: Path | None = None,
    strict: bool = False,
    against_store: bool = False,
    say: Say = lambda _: None,
) -> Verified:
    """Prove the store of these settings or, if files are named, these backups or proofs.

    `against_store` holds a proof against the log itself: an auditor's question.
    """
    load("aggregates")
    copy = chain(kept) if kept else None
    if copy is not None and not copy.seals:
        raise BadSetting(f"{kept} holds no seals: name the folder of your copy of seals.jsonl")
    if files and is_proof(files[0]):
        result = await asyncio.to_thread(_proofs, settings, files, copy, say, against_store)
    elif files and not is_packed(files[0]):
        result = await asyncio.to_thread(_export, settings, files, copy, say)
    elif files:
        result = await asyncio.to_thread(_backups, files, copy, say)
    else:
        result = await asyncio.to_thread(_store, settings, kept, copy, say)
    if strict and result.position > result.sealed_to:
        text = f"position {result.sealed_to + 1}: from here on nothing is sealed (--strict)"
        result.faults.append(text)
    return result


def _whose(source: Source, url: str, own: Path, chosen: Path | None) -> list[str]:
    """Where somebody chose the seals, what is not proved by them is told, and where it parts."""
    if chosen is None:
        return refuse_others(source, url, own)
    try:
        return refuse_others(source, url, chosen)
    except OthersSeals as others:
        return [str(others)]


def _store(settings: Settings, folder: Path | None, kept: Chain | None, say: Say) -> Verified:
    """`folder` is the one of the copy."""
    where = seals_folder(settings, folder)
    key = kept.public_key if kept else ""
    own = chain_of(settings.store_url, where, settings.vault_key, public_key=key)
    faults, used = _trusted(own, kept)
    with Source(settings.store_url) as source:
        try:
            result = prove(source.rows(), used.seals, used.public_key, say=say)
        except Unreadable as damaged:
            result = Verified(faults=[str(damaged)])
        result.faults[:0] = faults
        if result.faults:
            result.notes += _whose(source, settings.store_url, where, folder)
    if settings.store and used.seals and not is_shared(settings.store):
        place = where if folder is None or used.seals is own.seals else folder
        result.notes.append(f"by the seals in {place}, of key {fingerprint(used.public_key)}")
    return result


def _backups(files: Sequence[Path], kept: Chain | None, say: Say) -> Verified:
    try:
        reader = Reader(files)
        own = Chain(reader.seals, reader.public_key)
        faults, used = _trusted(own, kept, longer=True)
        result = prove(reader.rows(), used.seals, used.public_key, say=say)
        series = reader.series()
    except LogError as damaged:
        return Verified(faults=[str(damaged)])
    result.faults[:0] = faults
    if not series.signed:
        result.notes.append("not every backup is signed: only the seals vouch for them")
    if kept is None:
        shown = fingerprint(own.public_key)
        result.notes.append(
            f"proved by the key {shown} that the backup itself holds: name a copy that you trust "
            "with --seals"
        )
    return result


def _export(settings: Settings, files: Sequence[Path], kept: Chain | None, say: Say) -> Verified:
    """An export may end anywhere: seals behind its end say nothing of it."""
    if len(files) > 1:
        raise BadSetting("one export at a time: it must hold the log from its beginning")
    used = kept or chain_of(settings.store_url, seals_folder(settings), settings.vault_key)
    try:
        last = exports.end(files[0])
        seals = [one for one in used.seals if one.last <= last]
        result = prove(exports.rows(files[0]), seals, used.public_key, say=say)
    except LogError as damaged:
        return Verified(what="export", faults=[str(damaged)])
    result.what = "export"
    if not last:
        result.faults.append(f"{files[0]} holds no event: it was cut short, or is none of ours")
    if len(seals) < len(used.seals):
        result.notes.append(f"it ends at position {last}; the seals go on to {used.seals[-1].last}")
    return result


def _proofs(
    settings: Settings, files: Sequence[Path], kept: Chain | None, say: Say, against_store: bool
) -> Verified:
    done = check(files, kept)
    stated = done.stated
    if not against_store or stated is None or not done.result.ok:
        return done.result
    if own_root(settings.store_url, stated, say) != (stated.events, stated.root):
        with Source(settings.store_url) as source:
            ours = source.cloud_id()
        done.result.faults.append(
            f"the statement is not true: the log has other events of account {stated.account} "
            f"up to position {stated.seal.last}"
            if ours == stated.cloud
            else f"the proof is of cloud {stated.cloud}, and this log of cloud {ours}: name the "
            "log of that cloud with --store"
        )
    return done.result


def _trusted(own: Chain, kept: Chain | None, *, longer: bool = False) -> tuple[list[str], Chain]:
    """Faults between the seals that lie here and the copy, and the seals to prove by.

    The longer chain proves more, by the copy's key. A backup may be older than the copy (`longer`).
    """
    if kept is None:
        return [], own
    faults = []
    if own.public_key and own.public_key != kept.public_key:
        faults.append(
            f"the key here is {fingerprint(own.public_key)}, the copy's is "
            f"{fingerprint(kept.public_key)}: this log was signed by somebody else, or anew"
        )
    older = longer and len(own.seals) < len(kept.seals)
    faults += extends(kept.seals[: len(own.seals)] if older else kept.seals, own.seals)
    use_own = (own.seals or longer) and not faults
    return faults, Chain(own.seals if use_own else kept.seals, kept.public_key)


def add(commands: Commands) -> None:
    one = commands.command(
        "verify",
        _run,
        "prove that a log, a backup or a tenant's proof is whole",
        example="""
            sagastack verify --seals /elsewhere/kept
            sagastack verify /backups/full.backup.gz /backups/since.backup.gz --json
            sagastack verify last-year.proof.gz this-year.proof.gz --seals /elsewhere/kept
        """,
    )
    one.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="backups, or proofs of one account, the oldest first; or an export of cloudevents",
    )
    one.add_argument(
        "--seals",
        dest="kept",
        type=Path,
        metavar="DIR",
        help="a kept copy of seals.jsonl and seal.pub",
    )
    one.add_argument("--strict", action="store_true", help="what is not sealed yet is a fault too")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    done = await verify(
        settings,
        files=args.files,
        kept=args.kept,
        strict=args.strict,
        against_store=args.store is not None,
        say=lambda rows: print(f"{rows} events", file=sys.stderr),
    )
    if args.json:
        print(json.dumps(done.told()))
    else:
        for line in done.notes:
            print(f"note: {line}")
        for line in done.faults:
            print(f"FAULT: {line}")
        verdict = "is whole" if done.ok else "is NOT whole"
        print(f"the {done.what} of {done.events} events under {done.seals} seals {verdict}")
    return 0 if done.ok else 1
