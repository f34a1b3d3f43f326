"""Whether guests may use the processor's own virtualization: believed when one has booted.

A `/dev/kvm` that exists proves little: in a nested machine it can accept a guest that then
hangs. So the probe boots a small kernel with KVM and waits for its line on the serial port. It
costs a second or, where KVM hangs, `probe_s`, once for each host and kernel: the answer is kept
in the `state` file, and a host that was mended is probed again once its line there is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract.errors import DriverError, Unavailable
from drivers.libvirt.observe import HostDescription
from drivers.libvirt.settings import Settings
from drivers.libvirt.shell import Shell
from drivers.libvirt.state import State

UPLOAD_S = 120.0
SLACK_S = 10.0
GOOD = "booted"
SCRIPT = """
kernel=$1 initrd=$2 marker=$3 tenths=$4 emulator=$5
[ -r "$kernel" ] && [ -r "$initrd" ] || { echo "no such probe kernel" >&2; exit 1; }
dir=$(mktemp -d); : >"$dir/serial"
"$emulator" -machine q35,accel=kvm -cpu host -m 192 -nodefaults -display none -no-reboot \
  -no-user-config -serial "file:$dir/serial" -kernel "$kernel" -initrd "$initrd" \
  -append "console=ttyS0 panic=-1" </dev/null >"$dir/log" 2>&1 &
guest=$!; answer="it hung before its first line on the serial port"
while [ "$tenths" -gt 0 ]; do
  if grep -qF -- "$marker" "$dir/serial"; then answer=booted; break; fi
  if ! kill -0 $guest 2>/dev/null; then answer="QEMU ended: $(tail -n 1 "$dir/log")"; break; fi
  sleep 0.1; tenths=$((tenths - 1))
done
kill -KILL $guest 2>/dev/null; wait $guest 2>/dev/null
rm -rf "$dir"; echo "$answer"
"""


@dataclass(frozen=True, slots=True)
class Acceleration:
    usable: bool
    detail: str


async def acceleration(
    host: HostDescription, shell: Shell, settings: Settings, state: State
) -> Acceleration:
    """Decide for one host. Doubt means emulation, which is slow and always works."""
    if settings.acceleration == "emulation":
        return Acceleration(False, "emulation: chosen by the settings")
    if not host.offers_kvm:
        return Acceleration(False, "emulation: libvirt finds no usable /dev/kvm on this host")
    if settings.acceleration == "kvm":
        return Acceleration(True, "KVM: chosen by the settings, not probed")
    if not (settings.probe_kernel and settings.probe_initrd):
        return Acceleration(False, "emulation: no probe kernel is set, so KVM was not tried")
    try:
        return _verdict(await _probe_once(host, shell, settings, state))
    except DriverError as error:
        return Acceleration(False, f"emulation: the KVM probe could not run: {error}")


def _verdict(answer: str) -> Acceleration:
    if answer == GOOD:
        return Acceleration(True, "KVM: a probe guest booted with it")
    return Acceleration(False, f"emulation: a probe guest did not boot with KVM: {answer}")


async def _probe_once(host: HostDescription, shell: Shell, settings: Settings, state: State) -> str:
    release = (await shell.run("uname", "-r")).stdout.strip()
    name = f"{host.hardware_id} {release}"
    known = state.get("acceleration", name)
    if known is not None:
        return known
    made = await shell.run("mktemp", "-d")
    folder = made.stdout.strip()
    if made.code or not folder:
        raise Unavailable(made.complaint)
    try:
        kernel = await shell.reach(settings.probe_kernel, f"{folder}/kernel", timeout_s=UPLOAD_S)
        initrd = await shell.reach(settings.probe_initrd, f"{folder}/initrd", timeout_s=UPLOAD_S)
        tenths = str(int(settings.probe_s * 10))
        arguments = (kernel, initrd, settings.probe_marker, tenths, host.emulator)
        done = await shell.run(
            "sh", "-uc", SCRIPT, "sh", *arguments, timeout_s=settings.probe_s + SLACK_S
        )
    finally:
        await shell.run("rm", "-rf", "--", folder)
    answer = done.stdout.strip()
    if done.code or not answer:
        raise Unavailable(done.complaint)
    state.put("acceleration", name, answer)
    return answer
