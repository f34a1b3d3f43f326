"""Where the screen of a virtual machine is, as the wire shows it."""

from __future__ import annotations

from typing import Annotated

from api.declare import View, view


@view
class ConsoleWebsocketView(View, kw_only=True):
    """The same way in parts, for a client that speaks WebSocket itself."""

    token: Annotated[str, "what opens it, once: the first message"]
    host: Annotated[str, "where"]
    port: Annotated[str, "and on which port"]
    path: Annotated[str, "the path of the WebSocket"]


@view
class ConsoleView(View, kw_only=True):
    """A way to a console, or why there is none."""

    success: Annotated[bool, "whether there is one"]
    details: Annotated[str | None, "why not, or how to use it"] = None
    url: Annotated[str | None, "where it is"] = None
    websocket: Annotated[ConsoleWebsocketView | None, "a serial line that is carried here"] = None
