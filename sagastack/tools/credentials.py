"""How the first admin gets in, read from the sealed store, server or no server."""

from __future__ import annotations

import argparse
import json

from aggregates.errors import NotFound
from engine.vault import VaultError
from sagastack.commands import Commands
from sagastack.sealed import GONE, look_into_vault
from sagastack.settings import ENDPOINT_FILE, Settings
from sagastack.tools.opened import opened


def add(commands: Commands) -> None:
    commands.command(
        "credentials",
        _run,
        "how the first admin gets in",
        example="sagastack credentials --json",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    found = await credentials(settings)
    if args.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:<10} {value}" for name, value in found.items()))
    return 0


async def credentials(settings: Settings) -> dict[str, str]:
    """Endpoint, API key pair and login. The password is empty once it was changed."""
    if not (settings.home / "log.db").exists() and not settings.store:
        raise NotFound(f"there is no cloud in {settings.home}: run `sagastack serve` first")
    from engine.genesis import first_credentials
    from sagastack.proofs.whose import of_store

    async with opened(settings) as (_, history):
        cloud = await history.latest()
        settings = of_store(settings)
        vault = await look_into_vault(settings)
        try:
            found = await first_credentials(cloud, vault)
        except KeyError as unknown:
            raise VaultError(f"the sealed store does not hold them: {GONE}") from unknown
        finally:
            await vault.close()
    if found is None:
        raise NotFound("the first admin or its key was removed: ask another admin for a key")
    return {
        "endpoint": _endpoint(settings),
        "apikey": found.api_key,
        "secretkey": found.secret_key,
        "username": found.username,
        "password": found.password,
    }


def _endpoint(settings: Settings) -> str:
    """Where the cloud of this folder was last served."""
    left = settings.home / ENDPOINT_FILE
    if left.exists() and (told := left.read_text().strip()):
        return told
    return f"http://{settings.host}:{settings.port}/client/api"
