"""What the controller does of its own accord when time has come: one module a noun.

    @chore(every_s=60)
    async def take_due_snapshots(engine: Engine, now_ms: int) -> None: ...

A chore takes no input but the log and the time, so it may run at any time, twice, or not at all:
it reads what is due in `engine.cloud` and decides or submits, `BY` being nobody but the system.
"""
