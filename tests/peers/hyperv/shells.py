"""Runspace pools and their pipelines: PSRP's state machine (MS-PSRP section 3.2), on WinRM shells.

A pool opens when both of its opening messages are there. A pipeline runs on a thread as soon as
its command has come, and its input if it said that it has some. What it answers waits for Receive.
A line that drops ends nothing here: what was begun goes on, as in Windows.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from tests.peers.hyperv import clixml, psrp
from tests.peers.hyperv.commands import Command, Interpreter
from tests.peers.hyperv.values import Failure

OPENED = 2
RUNNING, COMPLETED, FAILED, STOPPED = 2, 4, 5, 3
BUGS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)

Waker = Callable[[], None]


class Answers:
    """Fragments that wait to be received, and whether there will be more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: list[bytes] = []
        self._done = False
        self.wakers: list[Waker] = []

    def put(self, parts: list[bytes], *, done: bool = False) -> None:
        with self._lock:
            self._parts += parts
            self._done = self._done or done
            wakers = list(self.wakers)
        for wake in wakers:
            wake()

    @property
    def is_ready(self) -> bool:
        with self._lock:
            return bool(self._parts) or self._done

    @property
    def is_done(self) -> bool:
        with self._lock:
            return self._done

    def take(self, room: int) -> tuple[list[bytes], bool]:
        """As many as fit one envelope, and whether these were the last."""
        with self._lock:
            taken: list[bytes] = []
            while self._parts and (not taken or sum(map(len, taken)) + len(self._parts[0]) < room):
                taken.append(self._parts.pop(0))
            return taken, self._done and not self._parts


@dataclass
class Pipeline:
    id: UUID
    answers: Answers = field(default_factory=Answers)
    statements: list[list[Command]] = field(default_factory=list)
    waits_for_input: bool = False
    inputs: list[Any] = field(default_factory=list)
    stopped: bool = False


class Shell:
    """One runspace pool."""

    def __init__(self, interpreter: Interpreter, executor: Executor, envelope: int) -> None:
        self.id, self.pool = str(uuid4()).upper(), psrp.NOBODY
        self._interpreter, self._executor, self._room = (
            interpreter,
            executor,
            envelope * 3 // 4 - 4096,
        )
        self._joiner, self._splitter = psrp.Joiner(), psrp.Splitter(32 << 10)
        self._lock = threading.Lock()
        self.answers = Answers()
        self.pipelines: dict[str, Pipeline] = {}

    def open(self, data: bytes) -> None:
        for message in self._joiner.feed(data):
            self.pool = message.pool
            if message.kind == psrp.SESSION_CAPABILITY:
                told = clixml.read(message.data)
                if not str(told.get("protocolversion", "")).startswith("2."):
                    raise ValueError("the client's protocol version is not 2.x")
                said = {"protocolversion": "2.3", "PSVersion": "2.0"}
                said["SerializationVersion"] = "1.1.0.1"
                self._capability(said)
            elif message.kind == psrp.INIT_RUNSPACEPOOL:
                self._tell(psrp.APPLICATION_PRIVATE_DATA, {"ApplicationPrivateData": {}})
                self._tell(psrp.RUNSPACEPOOL_STATE, {"RunspaceState": OPENED})
            else:
                raise ValueError(f"message {message.kind:#x} cannot open a pool")

    def command(self, command_id: str, data: bytes) -> Pipeline:
        pipeline = Pipeline(UUID(command_id))
        self.pipelines[command_id.upper()] = pipeline
        self.feed(data, pipeline)
        return pipeline

    def feed(self, data: bytes, pipeline: Pipeline | None) -> None:
        for message in self._joiner.feed(data):
            if pipeline is None or message.pipeline != pipeline.id:
                raise ValueError(f"message {message.kind:#x} is for no pipeline that is here")
            if message.kind == psrp.CREATE_PIPELINE:
                told = clixml.read(message.data)
                pipeline.statements = list(_statements(told["powershell"]))
                pipeline.waits_for_input = not told["noinput"]
                if not pipeline.waits_for_input:
                    self._executor.submit(self._run, pipeline)
            elif message.kind == psrp.PIPELINE_INPUT and pipeline.waits_for_input:
                pipeline.inputs.append(clixml.read(message.data))
            elif message.kind == psrp.END_OF_PIPELINE_INPUT and pipeline.waits_for_input:
                self._executor.submit(self._run, pipeline)
            else:
                raise ValueError(f"message {message.kind:#x} is not expected now")

    def stop(self, pipeline: Pipeline) -> None:
        pipeline.stopped = True
        self._end(pipeline, STOPPED)

    def receive(self, answers: Answers) -> tuple[bytes, bool]:
        parts, done = answers.take(self._room)
        return b"".join(parts), done

    def _run(self, pipeline: Pipeline) -> None:
        """Statement by statement; the first that fails for good ends the pipeline."""
        try:
            for statement in pipeline.statements:
                for value in self._interpreter.run(statement, pipeline.inputs, self._complain):
                    if pipeline.stopped:
                        return
                    self._send(pipeline, psrp.PIPELINE_OUTPUT, clixml.write(value))
        except Failure as failure:
            self._end(pipeline, FAILED, failure)
        except BUGS as bug:
            traceback.print_exception(bug)
            self._end(pipeline, FAILED, Failure(f"the peer has a bug: {bug!r}", "PeerBug"))
        else:
            self._end(pipeline, COMPLETED)

    def _complain(self, failure: Failure) -> None:
        """Nothing here fails without ending its statement: every cmdlet is told to stop."""
        raise failure

    def _end(self, pipeline: Pipeline, state: int, failure: Failure | None = None) -> None:
        if pipeline.stopped and state != STOPPED:
            return
        fields = f'<I32 N="PipelineState">{state}</I32>'
        if failure is not None:
            fields += _record(failure, ' N="ExceptionAsErrorRecord"')
        data = f'<Obj RefId="0"><MS>{fields}</MS></Obj>'
        self._send(pipeline, psrp.PIPELINE_STATE, data, done=True)

    def _send(self, pipeline: Pipeline, kind: int, data: str, *, done: bool = False) -> None:
        with self._lock:
            parts = self._splitter.split(psrp.Message(kind, self.pool, pipeline.id, data))
        pipeline.answers.put(parts, done=done)

    def _tell(self, kind: int, fields: dict[str, Any]) -> None:
        message = psrp.Message(kind, self.pool, psrp.NOBODY, clixml.write(fields))
        self.answers.put(self._splitter.split(message))

    def _capability(self, fields: dict[str, str]) -> None:
        inside = "".join(f'<Version N="{name}">{text}</Version>' for name, text in fields.items())
        data = f'<Obj RefId="0"><MS>{inside}</MS></Obj>'
        message = psrp.Message(psrp.SESSION_CAPABILITY, self.pool, psrp.NOBODY, data)
        self.answers.put(self._splitter.split(message))


def _statements(told: Any) -> Iterator[list[Command]]:
    extra = told.get("extracmds")
    for one in [part["cmds"] for part in extra] if extra else [told["cmds"]]:
        yield [
            Command(
                name=command["cmd"],
                is_script=command["isscript"],
                arguments=[(arg.get("n") or "", arg.get("v")) for arg in command["args"] or ()],
            )
            for command in one
        ]


def _record(failure: Failure, named: str) -> str:
    """An error record, as far as clients read it (MS-PSRP 2.2.3.15)."""
    message, category = clixml.text(failure.message), clixml.text(failure.category)
    return (
        f'<Obj{named} RefId="1"><TN RefId="0"><T>System.Management.Automation.ErrorRecord</T></TN>'
        f"<ToString>{message}</ToString><MS>"
        '<Obj N="Exception" RefId="2"><TN RefId="1"><T>System.Exception</T></TN>'
        f"<ToString>{message}</ToString><Props>"
        f'<S N="Message">{message}</S><I32 N="HResult">{_signed(failure.hresult)}</I32>'
        "</Props></Obj>"
        '<Nil N="TargetObject" />'
        f'<S N="FullyQualifiedErrorId">{clixml.text(failure.error_id)}</S>'
        '<Nil N="InvocationInfo" />'
        f'<I32 N="ErrorCategory_Category">{_category(failure.category)}</I32>'
        f'<S N="ErrorCategory_Activity"></S><S N="ErrorCategory_Reason">{failure.kind}</S>'
        '<S N="ErrorCategory_TargetName"></S><S N="ErrorCategory_TargetType"></S>'
        f'<S N="ErrorCategory_Message">{category}</S>'
        '<B N="SerializeExtendedInfo">false</B></MS></Obj>'
    )


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number


def _category(name: str) -> int:
    known = {"NotSpecified": 0, "InvalidArgument": 5, "ObjectNotFound": 13, "ResourceBusy": 16}
    return known.get(name, 0)
