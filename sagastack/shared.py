"""What lies in this process for one controller, and in the database for several.

What asks a database is imported where there is one to ask.
"""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack

from api.attempts import Attempts, AttemptStore
from api.sessions import Sessions, SessionStore
from engine.clock import Clock
from engine.cluster.duties import Duties
from engine.cluster.store import is_shared
from engine.log import Log, Sealer
from engine.tasks import Tasks
from engine.vault import Vault
from sagastack.settings import Settings


async def seal(
    settings: Settings,
    stack: AsyncExitStack,
    tasks: Tasks,
    log: Log,
    vault: Vault,
    clock: Clock,
    duties: Duties,
) -> None:
    """Seal the log, or keep a copy of what another controller seals."""
    folder = settings.seals_folder
    if is_shared(settings.store_url):
        from engine.cluster.sealer import SharedSealer

        shared = await SharedSealer.open(log, settings.store_url, vault, folder, clock)
        stack.push_async_callback(shared.close)
        tasks.spawn(shared.run(duties), name="sealer")
    else:
        sealer = await Sealer.open(log, folder, now_ms=clock.now_ms)
        stack.push_async_callback(sealer.close)
        tasks.spawn(sealer.run(), name="sealer")


async def signing_in(
    settings: Settings, stack: AsyncExitStack
) -> tuple[SessionStore, AttemptStore]:
    """Where sessions are, and how often somebody was wrong."""
    if not is_shared(settings.store_url):
        return Sessions(secrets.token_bytes), Attempts()
    from api.shared_attempts import SharedAttempts
    from api.shared_sessions import SharedSessions

    sessions = await SharedSessions.connect(settings.store_url, secrets.token_bytes)
    stack.push_async_callback(sessions.disconnect)
    attempts = await SharedAttempts.connect(settings.store_url)
    stack.push_async_callback(attempts.disconnect)
    return sessions, attempts
