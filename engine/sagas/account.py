"""The end of an account: its people and keys go with it, and what they were sealed under."""

from __future__ import annotations

from engine import people
from engine.intents.account import DeleteAccount
from engine.saga import Run, Saga
from projections.account import accounts

delete_account = Saga(
    "account.delete:1",
    DeleteAccount,
    "account",
    lambda ask: ask.account_id,
    forward_only=True,
)


@delete_account.step
def forget(run: Run[DeleteAccount]) -> list[str]:
    return people.remove_account(run, run.row(accounts, run.intent.account_id))


@delete_account.step
async def shred(run: Run[DeleteAccount]) -> None:
    await people.shred(run, run[forget])
