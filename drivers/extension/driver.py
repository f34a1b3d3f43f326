"""`External` on the wire: whatever the program in the extension's folder drives.

The folder holds `extension.toml`:

    command = ["./my-driver"]     # run in the folder; it may be any executable
    patience_s = 600              # how long a verb may say nothing
    config_disc = "iso"           # files (the default), or one finished image
    [capabilities]                # fields of drivers.contract.driver.Capabilities
    image_formats = ["qcow2"]
    [capabilities.cannot]         # what it does not do, and why, for people
    move_disk = "..."

It is read at the start where its folder is said, else when the first such host is added. What is
in `cannot` is refused without asking.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from drivers.contract.compute import GuestSpec, HostAddress
from drivers.contract.driver import Capabilities, Driver, HostSession
from drivers.contract.errors import Refused
from drivers.extension.program import Program
from drivers.kit import discs
from drivers.kit.verbs import VERBS, Verb

MANIFEST = "extension.toml"


class Manifest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an extension says of itself."""

    command: list[str]
    patience_s: float = 600.0
    config_disc: Literal["files", "iso"] = "files"
    capabilities: Capabilities = Capabilities()


class ExternalDriver:
    """One program, for all hosts that it drives."""

    kind = "External"

    def __init__(self, folder: Path, state: str) -> None:
        self._folder = folder
        self._program: Program | None = None
        self._why, self._discs = "", False
        self.capabilities = Capabilities()
        try:
            said = read(folder)
        except Refused as error:
            self._why = str(error)
            return
        self.capabilities = said.capabilities
        self._discs = said.config_disc == "iso"
        environment = {"SAGASTACK_EXTENSION_STATE": state}
        self._program = Program(
            said.command, folder, patience_s=said.patience_s, environment=environment
        )

    def _running(self) -> Program:
        if self._program is None:
            raise Refused(self._why)
        return self._program

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        found: tuple[HostAddress, ...] = await self._running().ask(
            "discover", address, msgspec.Raw(b"{}"), tuple[HostAddress, ...], changes=False
        )
        return found

    async def connect(self, address: HostAddress) -> HostSession:
        program = self._running()
        await program.ask("connect", address, msgspec.Raw(b"{}"), None, changes=False)
        cannot = self.capabilities.cannot
        return cast(HostSession, ExternalSession(program, address, cannot, discs=self._discs))

    async def close(self) -> None:
        if self._program is not None:
            await self._program.close()


class ExternalSession:
    """A host. Its verbs are those of the contract, made below."""

    __slots__ = ("_address", "_cannot", "_discs", "_program")

    def __init__(
        self, program: Program, address: HostAddress, cannot: Mapping[str, str], *, discs: bool
    ) -> None:
        self._program, self._address, self._cannot = program, address, cannot
        self._discs = discs

    def tell(self, asked: msgspec.Struct) -> msgspec.Raw:
        """Arguments as the program wants them: a guest's config disc may come ready made."""
        spec = getattr(asked, "spec", None)
        if self._discs and isinstance(spec, GuestSpec) and spec.config:
            disc = ((f"{discs.LABEL}.iso", discs.image(spec.config)),)
            asked = msgspec.structs.replace(asked, spec=replace(spec, config=disc))
        return msgspec.Raw(msgspec.json.encode(asked))

    def drop(self) -> None:
        """End the program, as a crash would."""
        self._program.drop()

    async def close(self) -> None:
        """Nothing to let go of: the program belongs to the driver."""


def _asking(verb: Verb) -> Callable[..., Any]:
    async def ask(self: ExternalSession, *args: Any, **kwargs: Any) -> Any:
        if (why := self._cannot.get(verb.name)) is not None:
            raise Refused(why)
        arguments = self.tell(verb.bind(*args, **kwargs))
        return await self._program.ask(
            verb.name, self._address, arguments, verb.answer, changes=verb.changes
        )

    ask.__name__ = verb.name
    return ask


for _one in VERBS.values():
    setattr(ExternalSession, _one.name, _asking(_one))


def read(folder: Path) -> Manifest:
    """Refused: there is no extension, or it says what cannot be understood."""
    path = folder / MANIFEST
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Manifest)
    except FileNotFoundError:
        raise Refused(
            f"there is no extension: put its {MANIFEST} into {folder}, or name its folder in "
            "SAGASTACK_DRIVER_EXTENSION=folder=..."
        ) from None
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, OSError) as error:
        raise Refused(f"{path} is not understood: {error}") from error


def make_all(settings: Mapping[str, str]) -> tuple[Driver, ...]:
    """`folder` is where the extension is: `Refused` if none is there. If nothing is said, the
    driver's own folder, where there may be none."""
    state, said = settings.get("state", ""), settings.get("folder", "")
    if said:
        read(Path(said))
    return (cast(Driver, ExternalDriver(Path(said or state), state)),)
