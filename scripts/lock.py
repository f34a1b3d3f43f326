"""Pin every dependency of pyproject.toml with hashes (`make lock`).

Several files, because not every machine can have all of it: `requirements.txt` (to run),
`requirements-otel.txt` (to export traces too), `requirements-parquet.txt` (to export Parquet
too), `requirements-dev.txt` (to run, test and check), `requirements-libvirt.txt` (needs a C
compiler and libvirt's headers, so it comes apart).
Index addresses and local folders are never written.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = "setuptools>=75"
APART = "libvirt-python"
OPTIONS = (
    "--generate-hashes",
    "--allow-unsafe",
    "--strip-extras",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--quiet",
)


def compile_into(name: str, wanted: list[str], *more: str) -> None:
    """One lock file from a list of requirements; hashes are those of the index alone."""
    env = {key: value for key, value in os.environ.items() if key != "PIP_FIND_LINKS"}
    command = (sys.executable, "-m", "piptools", "compile", *OPTIONS, *more, "-o", name, "-")
    text = "".join(f"{line}\n" for line in wanted)
    subprocess.run(command, cwd=ROOT, env=env, input=text, text=True, check=True)
    print(f"{name}: {(ROOT / name).read_text().count('==')} packages")


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    everything = [*project["dependencies"], *extras.get("libvirt", [])]
    base = [line for line in everything if not line.startswith(APART)]
    apart = [line for line in everything if line.startswith(APART)]
    more = tuple(sys.argv[1:])
    compile_into("requirements.txt", [*base, BUILD], *more)
    same = [f"-c {ROOT / 'requirements.txt'}"]
    compile_into("requirements-otel.txt", [*same, *extras["otel"]], *more)
    compile_into("requirements-parquet.txt", [*same, *extras["parquet"]], *more)
    everything = [*base, *extras["otel"], *extras["parquet"], *extras["dev"], BUILD]
    compile_into("requirements-dev.txt", [*same, *everything], *more)
    compile_into("requirements-libvirt.txt", apart, *more)


if __name__ == "__main__":
    main()
