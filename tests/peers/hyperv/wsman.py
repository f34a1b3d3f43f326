"""A WinRM service: SOAP over HTTP(S) with Basic or Negotiate (NTLM) and message encryption.

The published rules are kept (MS-WSMV): an envelope larger than allowed, a shell or command that is
not there, too many shells, a receive that nothing came for in time: each is a fault with its code.
Over plain HTTP only encrypted messages are taken, unless `AllowUnencrypted` was set. What is
encrypted belongs to one connection, as NTLM signs by sequence numbers.
"""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import spnego
from aiohttp import web

from tests.peers.garble import Garble
from tests.peers.hyperv.commands import Interpreter
from tests.peers.hyperv.shells import Answers, Shell

S = "{http://www.w3.org/2003/05/soap-envelope}"
A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
RSP = "{http://schemas.microsoft.com/wbem/wsman/1/windows/shell}"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/"
POWERSHELL = "http://schemas.microsoft.com/powershell/"
XMLNS = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" '
    'xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer" '
    'xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"'
)
ENVELOPE = 512000
TIMED_OUT, NO_SHELL, TOO_MANY, TOO_LARGE, BAD = (
    (2150858793, "w:TimedOut", "The WS-Management service cannot complete the operation within "
     "the time specified in OperationTimeout."),
    (2150858843, "w:InvalidSelectors", "The request for the Windows Remote Shell with ShellId {} "
     "failed because the shell was not found on the server."),
    (2150859173, "w:QuotaLimit", "The WS-Management service cannot process the request. This user "
     "is allowed a maximum number of {} concurrent shells, which has been exceeded."),
    (2150858844, "w:EncodingLimit", "The size of the request exceeded the maximum envelope size."),
    (2150858817, "w:SchemaValidationError", "The SOAP XML in the message does not match the "
     "corresponding XML schema definition: {}"),
)  # fmt: skip
GATHER_S = 0.01
BOUNDARY = "Encrypted Boundary"


class Fault(Exception):
    def __init__(self, known: tuple[int, str, str], word: object = "") -> None:
        super().__init__(known[2].format(word))
        self.code, self.subcode = known[0], known[1]


@dataclass
class Account:
    name: str
    password: str


@dataclass
class Service:
    """One host's WinRM. `faults` makes it misbehave: see `Faults`."""

    host: Any
    account: Account
    encrypted: bool
    executor: ThreadPoolExecutor
    shells_max: int = 30
    shells: dict[str, Shell] = field(default_factory=dict)
    contexts: dict[int, Any] = field(default_factory=dict)
    transports: set[Any] = field(default_factory=set)
    requests: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    slow_s: float = 0.0
    garble: Garble = field(default_factory=Garble)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.requests += 1
        self.transports.add(request.transport)
        body = await request.read()
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        context = await self._authenticated(request)
        if isinstance(context, web.StreamResponse):
            return context
        if not body:
            return web.Response(status=200)
        if context is not None and self.encrypted:
            body = unwrap(context, body)
        elif self.encrypted:
            return web.Response(status=500, text="unencrypted traffic is not allowed")
        status, text = await self._envelope(request, body)
        data = self.garble.of(text.encode())
        if context is None or not self.encrypted:
            kind = "application/soap+xml;charset=UTF-8"
            return web.Response(status=status, body=data, headers={"Content-Type": kind})
        kind = f'multipart/encrypted;protocol="{SPNEGO}";boundary="{BOUNDARY}"'
        return web.Response(status=status, body=wrap(context, data), headers={"Content-Type": kind})

    def forget_shells(self) -> None:
        """As a restart of the service does."""
        self.shells.clear()

    async def _authenticated(self, request: web.Request) -> Any:
        """The context to decrypt with, None after Basic, or the answer that asks for more."""
        key, given = id(request.transport), request.headers.get("Authorization", "")
        scheme, _, token = given.partition(" ")
        if not given and key in self.contexts and self.contexts[key].complete:
            return self.contexts[key]
        if scheme == "Basic" and not self.encrypted:
            name, _, password = base64.b64decode(token).decode().partition(":")
            if (name.lower(), password) == (self.account.name.lower(), self.account.password):
                return None
        elif scheme in ("Negotiate", "NTLM", "Kerberos"):
            return await self._negotiated(key, scheme, base64.b64decode(token))
        offers = [("WWW-Authenticate", "Negotiate")]
        offers += [] if self.encrypted else [("WWW-Authenticate", 'Basic realm="WSMAN"')]
        return _unauthorized(offers)

    async def _negotiated(self, key: int, scheme: str, token: bytes) -> Any:
        if self.contexts.get(key) is None or self.contexts[key].complete:
            protocol = "ntlm" if token.startswith(b"NTLMSSP") else "negotiate"
            self.contexts[key] = spnego.server(
                protocol=protocol,
                options=spnego.NegotiateOptions.wrapping_winrm
                | spnego.NegotiateOptions.use_negotiate,
            )
        context = self.contexts[key]
        try:
            answer = await asyncio.to_thread(context.step, token)
        except spnego.exceptions.SpnegoError:
            del self.contexts[key]
            return _unauthorized([("WWW-Authenticate", scheme)])
        if not context.complete:
            text = base64.b64encode(answer or b"").decode()
            return _unauthorized([("WWW-Authenticate", f"{scheme} {text}")])
        return context

    async def _envelope(self, request: web.Request, body: bytes) -> tuple[int, str]:
        relates = ""
        try:
            if len(body) > ENVELOPE:
                raise Fault(TOO_LARGE)
            try:
                root = ET.fromstring(body)
            except ET.ParseError as error:
                raise Fault(BAD, error) from None
            relates = root.findtext(f"{S}Header/{A}MessageID", "")
            action = root.findtext(f"{S}Header/{A}Action", "")
            verb = action.rsplit("/", 1)[-1]
            self._maybe_drop(request, verb, "before")
            inside = await self._act(verb, root)
            self._maybe_drop(request, verb, "after")
            return 200, _enveloped(f"{action}Response", relates, inside)
        except Fault as fault:
            return 500, _faulted(fault, relates, self.host.name)
        except (ValueError, KeyError, struct.error) as error:
            return 500, _faulted(Fault(BAD, repr(error)), relates, self.host.name)

    def _maybe_drop(self, request: web.Request, verb: str, when: str) -> None:
        """Reset the line before or after a request was carried out, if a test asked for it."""
        left = self.drops.get(f"{verb}:{when}", 0)
        if left:
            self.drops[f"{verb}:{when}"] = left - 1
            assert request.transport is not None
            request.transport.abort()
            raise Fault(BAD, "dropped")

    async def _act(self, verb: str, root: ET.Element) -> str:
        body = root.find(f"{S}Body")
        if body is None:
            raise Fault(BAD, "there is no body")
        if verb == "Create":
            return self._create(root, body)
        shell = self._shell(root)
        if verb == "Delete":
            del self.shells[shell.id]
            return ""
        if verb == "Command":
            line = body.find(f"{RSP}CommandLine")
            assert line is not None
            data = base64.b64decode(line.findtext(f"{RSP}Arguments", ""))
            command_id = line.get("CommandId") or str(uuid4()).upper()
            shell.command(command_id, data)
            said = f"<rsp:CommandId>{command_id}</rsp:CommandId>"
            return f"<rsp:CommandResponse>{said}</rsp:CommandResponse>"
        if verb == "Send":
            stream = body.find(f"{RSP}Send/{RSP}Stream")
            assert stream is not None
            command = shell.pipelines.get((stream.get("CommandId") or "").upper())
            shell.feed(base64.b64decode(stream.text or ""), command)
            return "<rsp:SendResponse/>"
        if verb == "Receive":
            return await self._receive(shell, root, body)
        if verb == "Signal":
            signal = body.find(f"{RSP}Signal")
            assert signal is not None
            command = shell.pipelines.pop((signal.get("CommandId") or "").upper(), None)
            if command is not None:
                shell.stop(command)
            return "<rsp:SignalResponse/>"
        raise Fault(BAD, f"action {verb} is not known here")

    def _create(self, root: ET.Element, body: ET.Element) -> str:
        uri = root.findtext(f"{S}Header/{W}ResourceURI", "")
        if uri != f"{POWERSHELL}Microsoft.PowerShell":
            raise Fault(BAD, f"no plug-in {uri}")
        if len(self.shells) >= self.shells_max:
            raise Fault(TOO_MANY, self.shells_max)
        given = body.find(f"{RSP}Shell")
        assert given is not None
        opening = given.findtext("{http://schemas.microsoft.com/powershell}creationXml", "")
        shell = Shell(Interpreter(self.host), self.executor, ENVELOPE)
        shell.id = given.get("ShellId") or shell.id
        shell.open(base64.b64decode(opening))
        self.shells[shell.id] = shell
        return (
            f"<x:ResourceCreated><a:Address>*</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{shell.id}</w:Selector></w:SelectorSet>'
            f"</a:ReferenceParameters></x:ResourceCreated>"
            f"<rsp:Shell><rsp:ShellId>{shell.id}</rsp:ShellId></rsp:Shell>"
        )

    def _shell(self, root: ET.Element) -> Shell:
        for selector in root.iter(f"{W}Selector"):
            if selector.get("Name") == "ShellId" and (selector.text or "") in self.shells:
                return self.shells[selector.text or ""]
        names = [one.text for one in root.iter(f"{W}Selector")]
        raise Fault(NO_SHELL, names[0] if names else "")

    async def _receive(self, shell: Shell, root: ET.Element, body: ET.Element) -> str:
        wanted = body.find(f"{RSP}Receive/{RSP}DesiredStream")
        assert wanted is not None
        command_id = wanted.get("CommandId") or ""
        answers = shell.answers
        if command_id:
            pipeline = shell.pipelines.get(command_id.upper())
            if pipeline is None:
                raise Fault(NO_SHELL, command_id)
            answers = pipeline.answers
        limit = root.findtext(f"{S}Header/{W}OperationTimeout", "PT60S")
        found = re.fullmatch(r"PT([\d.]+)S", limit)
        data, done = await _patient(shell, answers, float(found[1]) if found else 60.0)
        named = f' CommandId="{command_id}"' if command_id else ""
        text = base64.b64encode(data).decode()
        said = f'<rsp:Stream Name="stdout"{named}>{text}</rsp:Stream>' if data else ""
        if command_id:
            state = f"{SHELL}CommandState/{'Done' if done else 'Running'}"
            said += f'<rsp:CommandState{named} State="{state}"></rsp:CommandState>'
        return f"<rsp:ReceiveResponse>{said}</rsp:ReceiveResponse>"


async def _patient(shell: Shell, answers: Answers, limit_s: float) -> tuple[bytes, bool]:
    """Wait for something to be received, up to the client's time-out."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(ready.set)

    answers.wakers.append(wake)
    try:
        async with asyncio.timeout(limit_s):
            while True:
                if answers.is_ready:
                    if not answers.is_done:  # what is ready soon goes into the same envelope
                        await asyncio.sleep(GATHER_S)
                    return shell.receive(answers)
                await ready.wait()
                ready.clear()
    except TimeoutError:
        raise Fault(TIMED_OUT) from None
    finally:
        answers.wakers.remove(wake)


SPNEGO = "application/HTTP-SPNEGO-session-encrypted"


def unwrap(context: Any, body: bytes) -> bytes:
    """The message within a multipart/encrypted body (MS-WSMV 2.2.9.1)."""
    parts = re.split(rb"--Encrypted Boundary(?:--)?\r\n", body)
    head, data = parts[1], parts[2]
    length = int(re.search(rb"Length=(\d+)", head)[1])  # type: ignore[index]
    data = data.split(b"Content-Type: application/octet-stream\r\n", 1)[1]
    signed = struct.unpack_from("<i", data)[0]
    plain: bytes = context.unwrap_winrm(data[4 : 4 + signed], data[4 + signed :])
    if len(plain) != length:
        raise ValueError("the encrypted message is not as long as it says")
    return plain


def wrap(context: Any, plain: bytes) -> bytes:
    header, data, padding = context.wrap_winrm(plain)
    original = f"type=application/soap+xml;charset=UTF-8;Length={len(plain) + padding}"
    head = (
        f"--{BOUNDARY}\r\n\tContent-Type: {SPNEGO}\r\n\tOriginalContent: {original}\r\n"
        f"--{BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n"
    ).encode()
    sealed: bytes = struct.pack("<i", len(header)) + header + data
    return head + sealed + f"--{BOUNDARY}--\r\n".encode()


def _unauthorized(offers: list[tuple[str, str]]) -> web.Response:
    response = web.Response(status=401)
    for name, value in offers:
        response.headers.add(name, value)
    return response


def _enveloped(action: str, relates: str, inside: str) -> str:
    head = (
        f"<a:Action>{escape(action)}</a:Action><a:MessageID>uuid:{uuid4()}</a:MessageID>"
        f"<a:RelatesTo>{escape(relates)}</a:RelatesTo>"
    )
    return f"<s:Envelope {XMLNS}><s:Header>{head}</s:Header><s:Body>{inside}</s:Body></s:Envelope>"


def _faulted(fault: Fault, relates: str, machine: str) -> str:
    text = escape(str(fault))
    inside = (
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{fault.subcode}"
        f'</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">{text}</s:Text>'
        "</s:Reason><s:Detail><f:WSManFault "
        'xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{fault.code}" Machine="{machine}"><f:Message>{text}</f:Message></f:WSManFault>'
        "</s:Detail></s:Fault>"
    )
    return _enveloped("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", relates, inside)
