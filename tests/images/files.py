"""Images as bytes: real ones, made by QEMU's own tool, and the least that is a disc."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path


def disc() -> bytes:
    """The mark of a disc where ECMA-119 wants it, and nothing else."""
    return (b"\0" * 32_769 + b"CD001").ljust(40_960, b"\0")


def qcow2(folder: Path, size: str = "1M") -> bytes:
    path = folder / "made.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), size]
    subprocess.run(argv, check=True, timeout=120)
    return path.read_bytes()


def converted(folder: Path, image_format: str, *options: str) -> bytes:
    """The same little disk in another format, by QEMU's own tool."""
    source, path = folder / "source.qcow2", folder / f"made.{image_format}"
    source.write_bytes(qcow2(folder))
    argv = ["qemu-img", "convert", "-f", "qcow2", "-O", image_format, *options]
    subprocess.run([*argv, str(source), str(path)], check=True, timeout=120)
    return path.read_bytes()


def appliance(folder: Path, disks: int = 1) -> bytes:
    """An OVA: a descriptor and its disks (DMTF DSP0243)."""
    vmdk = converted(folder, "vmdk", "-o", "subformat=streamOptimized")
    names = [f"disk{number}.vmdk" for number in range(disks)]
    return packed({"made.ovf": descriptor(*names), **dict.fromkeys(names, vmdk)})


HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:o="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:r="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:v="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf">"""
SCSI = """<Item><r:ElementName>SCSI</r:ElementName><r:InstanceID>3</r:InstanceID>
  <r:ResourceSubType>lsilogic</r:ResourceSubType><r:ResourceType>6</r:ResourceType></Item>"""


def descriptor(*disks: str, sections: str = "", system: str = "", hardware: str = "") -> bytes:
    """An OVF whose machine has these disks on one controller; an empty name is a blank one."""
    files = "".join(f'<File o:href="{one}" o:id="f{n}"/>' for n, one in enumerate(disks) if one)
    refs = [f'o:fileRef="f{n}"' if one else "" for n, one in enumerate(disks)]
    parts = "".join(
        f'<Disk o:diskId="d{n}" o:capacity="2" o:capacityAllocationUnits="byte * 2^20" {ref}/>'
        for n, ref in enumerate(refs)
    )
    lines = "".join(
        f"<Item><r:AddressOnParent>{n}</r:AddressOnParent><r:ElementName>Disk</r:ElementName>"
        f"<r:HostResource>ovf:/disk/d{n}</r:HostResource><r:InstanceID>{n + 20}</r:InstanceID>"
        "<r:Parent>3</r:Parent><r:ResourceType>17</r:ResourceType></Item>"
        for n in range(len(disks))
    )
    return f"""{HEAD}<References>{files}</References>
  <DiskSection><Info>disks</Info>{parts}</DiskSection>{sections}
  <VirtualSystem o:id="appliance"><Info>a machine</Info><Name>made</Name>{system}
    <VirtualHardwareSection o:transport="com.vmware.guestInfo"><Info>hardware</Info>
      <System><v:VirtualSystemType>vmx-14</v:VirtualSystemType></System>
      {SCSI}{lines}{hardware}
    </VirtualHardwareSection></VirtualSystem></Envelope>""".encode()


def packed(files: dict[str, bytes], *, sums: str = "", kind: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of these files; with `sums` a manifest by that algorithm comes second."""
    if sums:
        lines = [f"{sums}({n})= {hashlib.new(sums, b).hexdigest()}\n" for n, b in files.items()]
        first = next(iter(files))
        manifest = {first.removesuffix(".ovf") + ".mf": "".join(lines).encode()}
        files = {first: files[first]} | manifest | files
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=kind) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()
