"""Which sealed store belongs to a cloud: a file beside its log, or a table in the same database."""

from __future__ import annotations

from engine.cluster.store import is_shared
from engine.log import Log
from engine.vault import Vault, VaultError
from sagastack.settings import Settings

GONE = (
    "put it back, with its key, from a copy of the data folder; or `sagastack restore` a backup, "
    "which holds it, into an empty store and folder"
)


BEGIN_ANEW = (
    f"{GONE}. Without any copy `sagastack serve --new-sealed-store` goes on with an empty one: "
    "see docs/operating.md first"
)


async def open_vault(settings: Settings, log: Log) -> Vault:
    """The vault of a controller. A file from before goes into the database with its log.

    A cloud that has begun has one: with an empty one nobody could get in.
    """
    has_begun = not settings.new_sealed_store and await log.position() > 0
    lost = BEGIN_ANEW if has_begun else ""
    if is_shared(settings.store_url):
        url, key = settings.store_url, settings.vault_key
        return await Vault.open_shared(url, key, moving=settings.vault_file, lost=lost)
    return await Vault.open(settings.vault_file, settings.vault_key, lost=lost)


async def look_into_vault(settings: Settings) -> Vault:
    """The vault for a tool, which moves nothing, and makes none."""
    file = settings.vault_file
    if is_shared(settings.store_url) and not file.exists():
        return await Vault.open_shared(settings.store_url, settings.vault_key)
    if not file.exists():
        raise VaultError(f"the sealed store {file} is not there: {GONE}")
    return await Vault.open(file, settings.vault_key)
