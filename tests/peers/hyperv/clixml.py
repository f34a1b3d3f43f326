"""CLIXML, the way PowerShell writes objects on a line (MS-PSRP section 2.2.5), read and written.

Reading gives plain Python: numbers, strings, bytes, lists, dicts (keys in lower case for the
properties of an object). Writing takes the same and the few types of PowerShell in `values`.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tests.peers.hyperv.values import Enum, Record, Span, Stamp

SPACE = "{http://schemas.microsoft.com/powershell/2004/04}"
WHOLE = {"I32", "I64", "U32", "U64", "I16", "U16", "By", "SB"}
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]|_(?=x[0-9A-Fa-f]{4}_)")


class Properties(dict[str, Any]):
    """An object's properties, by names in lower case."""


def read(text: str) -> Any:
    return _value(ET.fromstring(text))


def _value(node: ET.Element) -> Any:
    tag, text = node.tag.removeprefix(SPACE), node.text or ""
    if tag == "Obj":
        return _object(node)
    if tag in WHOLE:
        return _whole(tag, text)
    if tag == "B":
        return text.lower() == "true"
    if tag == "BA":
        return base64.b64decode(text)
    if tag in ("Db", "Sg", "D"):
        return float(text)
    if tag == "G":
        return UUID(text)
    if tag in ("Nil", "Ref"):
        return None
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _whole(tag: str, text: str) -> int:
    number, bits = int(text), {"By": 8, "SB": 8}.get(tag) or int(tag[1:])
    low = 0 if tag[0] in "UB" else -(2 ** (bits - 1))
    high = 2**bits if tag[0] in "UB" else 2 ** (bits - 1)
    if not low <= number < high:
        raise ValueError(f"{number} is no {tag}")
    return number


def _object(node: ET.Element) -> Any:
    properties = Properties()
    for child in node:
        tag = child.tag.removeprefix(SPACE)
        if tag in ("LST", "STK", "QUE", "IE"):
            return [_value(one) for one in child]
        if tag == "DCT":
            return dict(_entry(one) for one in child)
        if tag in ("MS", "Props"):
            properties |= {str(one.get("N", "")).lower(): _value(one) for one in child}
        elif tag in WHOLE or tag in ("S", "B", "BA", "G"):
            return _value(child)
    return properties


def _entry(node: ET.Element) -> tuple[Any, Any]:
    parts = {one.get("N"): _value(one) for one in node}
    return parts["Key"], parts["Value"]


def text(value: str) -> str:
    return escape(CONTROL.sub(lambda found: f"_x{ord(found[0]):04X}_", value))


def write(value: Any, name: str = "") -> str:
    """One value as an element; the numbers of objects do not matter to a reader."""
    named = f' N="{text(name)}"' if name else ""
    for kind, tag in ((bool, "B"), (str, "S"), (bytes, "BA"), (UUID, "G"), (float, "Db")):
        if isinstance(value, kind):
            return f"<{tag}{named}>{_plain(value)}</{tag}>"
    if value is None:
        return f"<Nil{named} />"
    if isinstance(value, int):
        tag = "I32" if -(2**31) <= value < 2**31 else "I64"
        return f"<{tag}{named}>{value}</{tag}>"
    if isinstance(value, Enum):
        return (
            f'<Obj{named} RefId="0"><ToString>{value.name}</ToString>'
            f"<I32>{value.number}</I32></Obj>"
        )
    if isinstance(value, Stamp):
        return f"<DT{named}>{value.iso()}</DT>"
    if isinstance(value, Span):
        return f"<TS{named}>PT{value.ticks / 1e7}S</TS>"
    if isinstance(value, list):
        inside = "".join(write(one) for one in value)
        return f'<Obj{named} RefId="0"><LST>{inside}</LST></Obj>'
    fields = value.fields if isinstance(value, Record) else value
    inside = "".join(write(one, str(key)) for key, one in fields.items())
    return f'<Obj{named} RefId="0"><MS>{inside}</MS></Obj>'


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return text(str(value))
