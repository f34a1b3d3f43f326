"""No driver knows another: each imports the contract, the kit and itself, and nothing else of ours.

The folders are walked, so a driver that is added tomorrow is held to it without a list to edit.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.contract.compute import Compute
from drivers.contract.driver import Capabilities
from drivers.contract.storage import Storage
from drivers.extension.driver import read as read_manifest
from engine.drivers import Drivers, folders
from sagastack.quality import Quality, examples, read_all, read_extension
from tests.tidy.tree import Module, modules

FORMATS = {"raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "ova", "iso", "tar"}
SHARED = ("contract", "kit")
MAY_IMPORT = {"contract": (), "kit": ("contract",), "conformance": ("contract",)}


def imported(module: Module) -> Iterator[str]:
    """The folders below `drivers` that a module imports from, wherever in it."""
    for node in ast.walk(module.tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "drivers":
                names = [f"drivers.{one.name}" for one in node.names]
        elif isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("drivers."))


def test_no_driver_imports_another() -> None:
    wrong = []
    for module in modules():
        parts = Path(module.path).parts
        if parts[0] != "drivers" or len(parts) < 3:
            continue
        allowed = {parts[1], *MAY_IMPORT.get(parts[1], SHARED)}
        wrong += [f"{module.path}: {one}" for one in imported(module) if one not in allowed]
    assert not wrong, "a driver imports contract, kit and itself:\n" + "\n".join(wrong)


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_every_kind_says_how_good_it_is(folder) -> None:  # type: ignore[no-untyped-def]
    said = {one.kind for one in read_all() if one.folder == folder.name}
    assert said == set(folder.kinds), f"drivers/{folder.name}: a quality file for each kind"


@pytest.mark.parametrize("quality", read_all(), ids=lambda one: one.kind)
def test_a_quality_file_names_every_verb(quality: Quality) -> None:
    assert quality.problems() == []


@pytest.mark.parametrize("quality", read_all(), ids=lambda one: one.kind)
async def test_what_a_kind_cannot_is_exempt_in_its_quality_file(
    quality: Quality, tmp_path: Path
) -> None:
    """And the other way round: what is exempt is refused before anything starts."""
    settings = {quality.folder: {"state": str(tmp_path / "state")}}
    drivers = Drivers.load(settings)
    capabilities: Capabilities = drivers.get(quality.kind).capabilities
    await drivers.close()
    assert set(capabilities.image_formats) <= FORMATS, f"{quality.kind} takes unheard-of formats"
    verbs = {name for part in (Compute, Storage) for name in vars(part) if name[0] != "_"}
    cannot = {name for name in capabilities.cannot if name in verbs}
    exempt = {one.name for one in quality.verbs if one.state == "exempt"}
    assert cannot <= exempt, f"{quality.kind}: cannot, but not exempt: {cannot - exempt}"


@pytest.mark.parametrize("folder", examples(), ids=lambda folder: folder.name)
def test_an_example_of_an_extension_says_how_good_it_is(folder: Path) -> None:
    quality, capabilities = read_extension(folder), read_manifest(folder).capabilities
    assert quality is not None and quality.problems() == []
    assert set(capabilities.image_formats) <= FORMATS
    exempt = {one.name for one in quality.verbs if one.state == "exempt"}
    verbs = {name for part in (Compute, Storage) for name in vars(part) if name[0] != "_"}
    assert exempt == set(capabilities.cannot) & verbs


def test_every_quality_file_has_a_kind() -> None:
    for path in Path("drivers").glob("*/quality*.toml"):
        assert tomllib.loads(path.read_text())["kind"], path
