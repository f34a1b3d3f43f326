"""One request from its parameters to its answer, without a word of HTTP plumbing.

The order is the argument for its safety: characters, who asks, may the role call this, are the
parameters well formed, do the ids exist for this caller with the right declared, and only then the
body. Whatever goes wrong becomes an answer by the table in `errors`; what nobody foresaw becomes a
530 with an incident id, whose traceback stays in the server's log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from api.asks import Asks
from api.attempts import Attempts, AttemptStore
from api.authz import may_call
from api.caller import By, Caller, Engine, Identity, Job, Memo, Planned
from api.deadlines import Deadlines
from api.declare import REGISTRY, Spec
from api.errors import (
    ApiError,
    Away,
    Closing,
    ParamError,
    Unauthorized,
    bad_value,
    code_of,
    not_for_you,
)
from api.identity import (
    as_then,
    by_session,
    by_signature,
    check_second_factor,
    identify,
    optional,
    unusable,
    within,
)
from api.parse import UUID_FORM, check_ids, moment, normal, parse
from api.render import JSON_TYPE, XML_TYPE, Payload, shown, to_json, to_xml
from api.repeat import Repeats, key_of_job, known_job
from api.sessions import Door, Session, SessionStore, Visitor
from api.sign import Pairs
from api.throttle import Throttle
from engine.cluster.store import DatabaseGone

log = logging.getLogger("sagastack.api")

DEADLINE_S = 60.0
IDEMPOTENCY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Request:
    """What came in: parameters decoded, in order, body and query merged."""

    method: str
    params: Pairs
    cookies: Mapping[str, str] = field(default_factory=dict)
    trusted: bool = False
    lowered: Mapping[str, str] = field(init=False, compare=False)
    """Parameters by their lower-cased names; the last one wins."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lowered", {name.lower(): value for name, value in self.params})


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out: `parts`, one after another. `note` repeats an error's text for a header."""

    status: int
    parts: tuple[bytes, ...]
    content_type: str
    set_cookies: tuple[str, ...] = ()
    note: str = ""
    command: str = ""

    @property
    def body(self) -> bytes:
        """The whole."""
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


CaughtUp = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """One controller alone knows all that anybody was told."""


class Bug(ApiError):
    """530: our own mistake. The text holds the incident id and nothing else."""

    status, cs_code = 530, 4250


class Overdue(ApiError):
    """530: a command that should be quick did not end in time."""

    status, cs_code = 530, 4250


@dataclass(slots=True)
class Gateway:
    """Answers requests. Clock and ids are arguments; `closing` refuses what comes too late.

    `trusted_user` is who the integration port acts as: the first administrator. `memo` keeps what
    rows look like; without one, every answer is made anew. `caught_up` returns once all that was
    acknowledged anywhere, before it was called, is known here. `fault` says why only a restart
    helps, where that is so.
    """

    engine: Engine
    sessions: SessionStore
    now_ms: Callable[[], int]
    random_id: Callable[[], UUID]
    trusted_user: Callable[[], UUID | None] = lambda: None
    deadlines: Deadlines = field(default_factory=partial(Deadlines, DEADLINE_S))
    closing: bool = False
    memo: Memo | None = None
    on_read: Callable[[float], None] = lambda seconds: None
    caught_up: CaughtUp = at_once
    repeats: Repeats = field(default_factory=Repeats)
    attempts: AttemptStore = field(default_factory=Attempts)
    throttle: Throttle = field(default_factory=Throttle)
    asks: Asks = field(default_factory=Asks)
    fault: Callable[[], str] = str

    async def answer(self, request: Request) -> Answer:
        """Answer one request, whatever it holds."""
        wanted = request.lowered
        name = wanted.get("command", "")
        spec = REGISTRY.get(name)
        write, kind = _form(wanted)
        cookies: list[str] = []
        try:
            with self.deadlines():
                payload = await self._run(request, name, spec, cookies)
            parts = write(spec.envelope if spec is not None else "errorresponse", payload)
            return Answer(200, parts, kind, tuple(cookies), command=name)
        except TimeoutError:
            limit_s = self.deadlines.after_s
            late = Overdue(f"{name} did not end within {limit_s:.0f} s; look before retry")
            return self.refusal(late, request.params, spec, cookies)
        except Exception as error:  # the one place where nothing may pass
            if code_of(error) is not None:
                return self.refusal(error, request.params, spec, cookies)
            incident = self.random_id()
            log.exception("incident %s in %s", incident, spec.name if spec else "no command")
            bug = Bug(f"Internal error; the operator finds it in the log as {incident}")
            return self.refusal(bug, request.params, spec, cookies)

    def refusal(
        self,
        error: BaseException,
        params: Pairs,
        spec: Spec | None = None,
        cookies: Iterable[str] = (),
    ) -> Answer:
        """An error that has codes, as an answer in the form that was asked for."""
        code = code_of(error)
        assert code is not None, f"{error!r} has no codes"
        write, kind = _form({name.lower(): value for name, value in params})
        body: dict[str, Any] = {"uuidList": [], "errorcode": code.status}
        if code.cs_code is not None:
            body["cserrorcode"] = code.cs_code
        body["errortext"] = str(error)
        named = spec is not None and code.status != 432
        envelope = spec.envelope if spec is not None and named else "errorresponse"
        return Answer(
            code.status,
            write(envelope, body),
            kind,
            tuple(cookies),
            note=str(error),
            command=spec.name if spec is not None else "-",
        )

    async def _run(
        self, request: Request, name: str, spec: Spec | None, cookies: list[str]
    ) -> Payload:
        if self.closing:
            raise Closing("The server is shutting down; ask again in a moment")
        query = normal(request.params, request.lowered)
        await self.caught_up()
        if spec is not None and spec.public:
            return await self._visit(request, spec, query, cookies)
        who, session = await self.entered(request, name)
        self.throttle.take(self.engine.cloud, who, self.now_ms())
        if spec is None or not may_call(who, spec):
            raise not_for_you(name[:100], who.account, _spelled(name, who))
        who = within(who, self.engine.cloud, spec.name, query.get("projectid", ""))
        ask = self.asks.of(spec, query, who.role_type)
        caller = await self._caller(who, spec, query)
        caller.door = Door(self.sessions, self.attempts, session)
        key = caller.by.idempotency_key
        if spec.of_any_time:
            began = time.perf_counter()
            listed = await perform(spec, ask, caller)
            self.on_read(time.perf_counter() - began)
            return listed
        if caller.dry_run or not key:
            return await perform(spec, ask, caller)
        work = partial(perform_once, spec, ask, caller)
        key = key if query.get("idempotencykey") else str(caller.job_id)
        answer: Payload = await self.repeats.once((who.user_id, who.key_rules), key, query, work)
        return answer

    async def _visit(
        self, request: Request, spec: Spec, query: Mapping[str, str], cookies: list[str]
    ) -> Payload:
        """Run a public command: login and logout."""
        visitor = Visitor(
            self.engine,
            self.sessions,
            self.now_ms(),
            request.method,
            request.cookies,
            cookies,
            self.attempts,
        )
        try:
            result = await parse(spec, query, "").run(visitor)
        except DatabaseGone as gone:
            raise Away from gone
        return shown(spec, result, self.engine.cloud, "")

    async def identity(self, request: Request) -> Identity:
        """Who sends this request; `Unauthorized` if that is not certain."""
        return (await self.entered(request, ""))[0]

    async def entered(self, request: Request, command: str) -> tuple[Identity, Session | None]:
        """Who sends this request and by which session; refused until its second factor is given."""
        if request.trusted:
            found = identify(self.engine.cloud, self.trusted_user())
            if found is None:
                raise Unauthorized
            return found, None
        names = request.lowered
        if "signature" in names or "apikey" in names:
            signers = self.memo.signers if self.memo is not None else None
            signed = by_signature(self.engine, request.params, names, self.now_ms(), signers)
            return await signed, None
        key = names.get("sessionkey", "")
        who, session = await by_session(
            self.engine, self.sessions, request.cookies, key, self.now_ms()
        )
        check_second_factor(self.engine.cloud, session, command)
        return who, session

    async def _caller(self, who: Identity, spec: Spec, query: Mapping[str, str]) -> Caller:
        """What the body is given. A repeat key and a dry run are for what changes something."""
        now_ms, cloud = self.now_ms(), self.engine.cloud
        at_ms = as_of(spec, query)
        if at_ms is not None and at_ms < now_ms:
            cloud = await self.engine.at(at_ms)
            who = as_then(who, cloud)
        live = cloud is self.engine.cloud
        key = "" if spec.reads else query.get("idempotencykey", "")
        if len(key) > IDEMPOTENCY_LENGTH:
            raise bad_value(spec.name, "idempotencykey", key[:IDEMPOTENCY_LENGTH], "is too long")
        chosen = self._own_job(who, spec, query.get("customjobid"))
        if key:
            key = f"{spec.name}/{key}"
        elif chosen is not None:
            key = self._key_of(chosen, spec, query)
        by = By(
            user_id=who.user_id,
            account_id=who.account_id,
            command=spec.name,
            action=spec.action,
            idempotency_key=key,
        )
        return Caller(
            identity=who,
            engine=self.engine,
            cloud=cloud,
            now_ms=now_ms,
            by=by,
            random_id=self.random_id,
            dry_run=not spec.reads and query.get("dryrun", "").lower() == "true",
            job_id=chosen,
            memo=self.memo if live and _is_json(query) else None,
            found=self.memo.found if live and self.memo is not None else None,
        )

    def _own_job(self, who: Identity, spec: Spec, text: str | None) -> UUID | None:
        """The id that the caller chose for its job, unless that is another request's."""
        if not text or not spec.is_async:
            return None
        if UUID_FORM.fullmatch(text) is None:
            raise bad_value(spec.name, "customjobid", text[:100], "must be a UUID")
        chosen = UUID(text)
        known = optional(self.engine.cloud, "saga", chosen)
        if known is None and (why := unusable(self.engine.cloud, chosen)):
            raise bad_value(spec.name, "customjobid", text, why)
        asks = (who.account_id, who.user_id, spec.name)
        if known is not None and (known.account_id, known.user_id, known.command) != asks:
            raise bad_value(spec.name, "customjobid", text, "is taken: choose another")
        return chosen

    def _key_of(self, chosen: UUID, spec: Spec, query: Mapping[str, str]) -> str:
        """The key of a job by its id, unless that was said to be another one's."""
        key = key_of_job(spec.name, chosen, query)
        known = optional(self.engine.cloud, "saga", chosen)
        if known is not None and known.idempotency_key not in ("", key):
            why = "is of a job that was asked for otherwise: choose another"
            raise bad_value(spec.name, "customjobid", str(chosen), why)
        return key


def as_of(spec: Spec, query: Mapping[str, str]) -> int | None:
    """The moment that a list shall answer of. Everything else is about what is now."""
    text = query.get("asof", "").strip()
    if not text:
        return None
    if not spec.of_any_time:
        raise ParamError(f"{spec.name} is about what is now, not a list: leave asof out")
    try:
        return moment(text)
    except ValueError as why:
        raise bad_value(spec.name, "asof", text[:100], str(why)) from why


async def perform_once(spec: Spec, ask: Any, caller: Caller) -> Payload:
    """Answer with the job that this key began, also in an earlier life of the server.

    The body would not know: it would refuse to make what is there already.
    """
    known = known_job(caller.engine.cloud, caller.by)
    return await perform(spec, ask, caller) if known is None else accepted(spec, known)


async def perform(spec: Spec, ask: Any, caller: Caller) -> Payload:
    """Check the ids, run the body of a command and show what it returned."""
    check_ids(spec, ask, caller)
    try:
        result = await ask.run(caller)
    except Planned as planned:
        return {"dryrun": True, "success": True, "plan": planned.plan}
    if caller.dry_run:
        return {"dryrun": True, "success": True, "plan": ["Nothing would change."]}
    if spec.is_async:
        return accepted(spec, result)
    return shown(spec, result, caller.cloud, caller.role_type)


def accepted(spec: Spec, result: Any) -> Payload:
    """The immediate answer of an asynchronous command."""
    assert isinstance(result, Job), f"{spec.name} is asynchronous and must return a Job"
    body: dict[str, Any] = {}
    if spec.creates and result.subject is not None:
        body["id"] = result.subject
    return body | {"jobid": result.id}


def _spelled(name: str, who: Identity) -> str:
    """What to say of a command that only its spelling hides from this caller."""
    if not name:
        return "say command=..., one of listApis"
    known = (one for one in REGISTRY.values() if one.name.lower() == name.lower())
    right = next((one.name for one in known if one.name != name and may_call(who, one)), "")
    return f"it is spelled {right}" if right else ""


def _form(params: Mapping[str, str]) -> tuple[Callable[[str, Any], tuple[bytes, ...]], str]:
    """How to write the answer: JSON if that was asked for, XML for anything else."""
    return (to_json, JSON_TYPE) if _is_json(params) else (_xml_parts, XML_TYPE)


def _xml_parts(envelope: str, payload: Any) -> tuple[bytes, ...]:
    return (to_xml(envelope, payload),)


def _is_json(params: Mapping[str, str]) -> bool:
    return params.get("response", "").lower() == "json"
