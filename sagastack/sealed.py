"""Which sealed store belongs to a cloud: a file beside its log, or a table in the same database."""

from __future__ import annotations

from engine.cluster.store import is_shared
from engine.vault import Vault, VaultError
from sagastack.settings import Settings

GONE = (
    "put it back, with its key, from a copy of the data folder; or `sagastack restore` a backup, "
    "which holds it, into an empty store and folder"
)


async def open_vault(settings: Settings) -> Vault:
    """The vault of a controller. A file from before goes into the database with its log."""
    if is_shared(settings.store_url):
        url, key = settings.store_url, settings.vault_key
        return await Vault.open_shared(url, key, moving=settings.vault_file)
    return await Vault.open(settings.vault_file)


async def look_into_vault(settings: Settings) -> Vault:
    """The vault for a tool, which moves nothing, and makes none."""
    file = settings.vault_file
    if is_shared(settings.store_url) and not file.exists():
        return await Vault.open_shared(settings.store_url, settings.vault_key)
    if not file.exists():
        raise VaultError(f"the sealed store {file} is not there: {GONE}")
    return await Vault.open(file)
