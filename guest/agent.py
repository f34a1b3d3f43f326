"""Build the agent that inspects bare-metal machines: `vmlinuz` and `agent.gz` in a folder.

It is the tiny guest with another init and more drivers: those for disks and network cards that
the kernel has. Debian's cloud kernel has the virtual ones and what clouds' machines are made of;
`--kernel FILE` takes another kernel package of Debian's, with the drivers of all hardware.

    python -m guest.agent [--into DIR] [--home DIR] [--kernel FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from guest import debs, initramfs
from guest.build import RECIPE
from guest.debs import Missing

INIT = "agent-init"
DISKS = ("nvme", "ahci", "ata_piix", "sd_mod", "megaraid_sas", "mpt3sas", "hpsa", "vmw_pvscsi")
CARDS = ("e1000", "e1000e", "igb", "ixgbe", "i40e", "ice", "tg3", "bnxt_en", "mlx5_core", "r8169")
CLOUDS = ("vmxnet3", "ena", "hv_vmbus", "hv_storvsc", "hv_netvsc")
MODULES = (*initramfs.MODULES, *DISKS, *CARDS, *CLOUDS)


def build(into: Path, home: Path, kernel: Path | None = None) -> bool:
    """Make the two files in `into`; False if those that are there are of the same recipe."""
    kernel_deb, busybox_deb = debs.fetch(home / "debs")
    kernel_deb = kernel or kernel_deb
    digest = _digest(kernel_deb, busybox_deb)
    stamp = into / "agent.stamp"
    names = ("vmlinuz", "agent.gz")
    if stamp.exists() and stamp.read_text() == digest and all((into / n).exists() for n in names):
        return False
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=into) as folder:
        scratch = Path(folder)
        kernel_tree = debs.unpack(kernel_deb, scratch / "kernel")
        busybox_tree = debs.unpack(busybox_deb, scratch / "busybox")
        packed = initramfs.write(kernel_tree, busybox_tree, RECIPE, init=INIT, modules=MODULES)
        (scratch / "agent.gz").write_bytes(packed)
        shutil.copyfile(next((kernel_tree / "boot").glob("vmlinuz-*")), scratch / "vmlinuz")
        stamp.unlink(missing_ok=True)
        for name in names:
            (scratch / name).replace(into / name)
        stamp.write_text(digest)
    return True


def _digest(*packages: Path) -> str:
    digest = hashlib.sha256()
    for name in ("agent.py", INIT, "initramfs.py", "dhcp-event", "power-off"):
        digest.update((RECIPE / name).read_bytes() + b"\0")
    for package in packages:
        digest.update(package.name.encode() + b"\0")
    return digest.hexdigest()


def main() -> int:
    """Build, and print where the files are; a lack is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m guest.agent", description=__doc__)
    home = Path(os.environ.get("SAGASTACK_HOME", "var"))
    parser.add_argument("--home", type=Path, default=home, help="where packages are kept")
    parser.add_argument("--into", type=Path, help="folder of the files (default HOME/agent)")
    parser.add_argument("--kernel", type=Path, help="a Debian kernel package to take instead")
    options = parser.parse_args()
    into = options.into or options.home / "agent"
    try:
        built = build(into, options.home, options.kernel)
    except Missing as err:
        print(f"the agent cannot be built: {err}", file=sys.stderr)
        return 1
    print(f"{into / 'agent.gz'} {'built' if built else 'is up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
