"""A guest of Xen's that starts from its own disk: a kernel, its first files, and a boot menu.

It counts its boots on its disk, tells its console who Xen says it is, goes on saying that it lives
(also where it was moved to), and heeds Xen's wish to stop. Its addresses are what IPv6 makes of its
cards' MACs, so that it can be spoken to without anybody giving it one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from guest import initramfs
from guest.build import READY, RECIPE
from tests.peers import xen

SIZE_BYTES = 64 * 1024**2
BEAT = "SAGASTACK-GUEST-BEAT"
MODULES = ("xen_blkfront", "xen_netfront", "ext4", "crc32c_generic", "virtio_blk")
MENU = """\
set timeout=0
set default=0
menuentry 'tiny' {
  linux /boot/vmlinuz console=hvc0 quiet
  initrd /boot/initramfs.gz
}
"""
INIT = f"""\
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read -r module; do insmod "/lib/modules/$module.ko"; done </lib/modules/order
# The kernel runs this when Xen wishes that the guest stops.
mkdir /sbin
printf '#!/bin/sh\\nsync; exec /bin/busybox poweroff -f\\n' >/sbin/poweroff
chmod 755 /sbin/poweroff
for path in /sys/class/net/eth*; do [ ! -e "$path" ] || ip link set "${{path##*/}}" up; done
mount -t ext4 /dev/xvda /mnt
boots=$(($(cat /mnt/boots 2>/dev/null || echo 0) + 1)); echo $boots >/mnt/boots; sync
echo "{READY} uuid=$(cat /sys/hypervisor/uuid) boots=$boots" >/dev/console
beat=0
while :; do
  beat=$((beat + 1)); echo "{BEAT} $beat $(ls /sys/class/block | tr '\\n' ' ')" >/dev/console
  sleep 1
done
"""


def image() -> Path:
    """The raw disk, built once beside the hosts' own image."""
    built = xen.built()
    target, stamp = built / "guest.raw", built / "guest.stamp"
    recipe = INIT + MENU + " ".join(MODULES) + str((built / "stamp").stat().st_mtime_ns)
    with (built / ".guest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists() and stamp.exists() and stamp.read_text() == recipe:
            return target
        with tempfile.TemporaryDirectory(prefix=".guest-", dir=built) as folder:
            _build(built / "root", Path(folder)).replace(target)
        stamp.write_text(recipe)
    return target


def _build(host: Path, folder: Path) -> Path:
    recipe, root, part = folder / "recipe", folder / "root", folder / "guest.raw"
    recipe.mkdir()
    for name in ("dhcp-event", "power-off"):
        shutil.copyfile(RECIPE / name, recipe / name)
    (recipe / "init").write_text(INIT)
    boot = root / "boot"
    (boot / "grub").mkdir(parents=True)
    shutil.copyfile(host / xen.KERNEL.lstrip("/"), boot / "vmlinuz")
    (boot / "initramfs.gz").write_bytes(initramfs.write(host, host, recipe, modules=MODULES))
    (boot / "grub" / "grub.cfg").write_text(MENU)
    with part.open("wb") as file:
        os.truncate(file.fileno(), SIZE_BYTES)
    made = ("mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(part))
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    return part
