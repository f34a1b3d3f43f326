"""Tools that look into a log, also beside a running server. A module here adds its command itself:

def add(commands: Commands) -> None:
    one = commands.command("name", _run, "what it does", example="sagastack name --json")
    one.add_argument("--after", type=int)

async def _run(args: argparse.Namespace, settings: Settings) -> int: ...
"""
