"""One WinRM connection with one runspace pool, used by one thread at a time.

It is plain blocking code on pypsrp: every wait within it has a deadline, so that a thread that is
given up ends by itself. NTLM seals messages by connection and in order, hence one line a thread.
"""

from __future__ import annotations

import struct
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree.ElementTree import ParseError

import requests
import spnego.exceptions
import urllib3
from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import AuthenticationError, WinRMError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.serializer import TaggedValue
from pypsrp.wsman import WSMan
from requests.adapters import HTTPAdapter

from drivers.hyperv import errors
from drivers.hyperv.address import Route
from drivers.hyperv.words import INT32_MAX, Cmd, Statement

ENVELOPE_BYTES = 512000
POLL_S = 20
IDLE_S = 600


class LineDown(Exception):
    """The line is lost. `said` is whether the host may have heard what was asked last."""

    def __init__(self, message: str, *, said: bool) -> None:
        super().__init__(message)
        self.said = said


class Late(Exception):
    """The host still works on it, or says nothing any more."""


class Untrusted(Exception):
    """The host's certificate was not accepted."""


class NotLetIn(Exception):
    """The host knows the account not, or not with this password."""


class Full(Exception):
    """The host has as many shells as it allows."""


class Line:
    def __init__(self, route: Route, username: str, password: str, *, connect_s: float) -> None:
        self._route, self._connect_s = route, connect_s
        self._credentials = (username, password)
        self._pool: RunspacePool | None = None

    def open(self) -> None:
        """Connect, log in, and open a runspace pool."""
        route, (username, password) = self._route, self._credentials
        wsman = WSMan(
            route.host,
            port=route.port,
            username=username,
            password=password,
            ssl=route.tls,
            auth=route.auth,
            cert_validation=not route.trust.pin,
            connection_timeout=int(self._connect_s),
            operation_timeout=POLL_S,
            read_timeout=POLL_S + 10,
            reconnection_retries=0,
            max_envelope_size=ENVELOPE_BYTES,
            no_proxy=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session = wsman.transport._build_session()
        wsman.transport.session = session
        session.trust_env = False
        session.max_redirects = 0  # Who is logged in here answers for no other address.
        if route.tls:
            session.mount("https://", _Adapter(route))
        pool = RunspacePool(wsman, idle_timeout=IDLE_S)
        try:
            pool.open()
        except requests.exceptions.SSLError as error:
            raise Untrusted(str(error)) from error
        except AuthenticationError as error:
            raise NotLetIn(str(error)) from error
        except WSManFaultError as error:
            if errors.QUOTA in str(error.code) or "concurrent shells" in str(error.reason):
                raise Full(str(error.reason)) from error
            raise LineDown(f"{route}: {error}", said=False) from error
        except LOST as error:
            raise LineDown(f"{route}: {_brief(error)}", said=False) from error
        self._pool = pool

    def run(
        self,
        statements: Sequence[Statement],
        *,
        deadline_s: float,
        heard: Callable[[Any], None],
    ) -> None:
        """Run statements one after the other, and hand on what they say as it comes."""
        assert self._pool is not None, "the line is not open"
        shell = PowerShell(self._pool)
        for statement in statements:
            for command in statement.commands:
                _add(shell, command)
            shell.add_statement()
        said = False
        try:
            shell.begin_invoke()
            said = True
            while shell.state == PSInvocationState.RUNNING:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise Late
                shell.poll_invoke(timeout=max(1, min(POLL_S, int(left_s))))
                while shell.output:
                    heard(shell.output.pop(0))
            shell.close()
            if shell.state == PSInvocationState.FAILED or shell.streams.error:
                raise _told(shell)
        except WSManFaultError as error:
            gone = error.code == errors.NO_SUCH_SHELL
            raise LineDown(f"{self._route}: {error.reason}", said=said or not gone) from error
        except AuthenticationError as error:
            raise LineDown(f"{self._route}: the connection was lost", said=said) from error
        except LOST as error:
            raise LineDown(f"{self._route}: {_brief(error)}", said=True) from error

    def close(self) -> None:
        """Let the host forget the shell; one that does not answer forgets it by itself."""
        if self._pool is not None:
            try:
                self._pool.shell.close()
            except (WinRMError, *LOST):
                pass
            self._pool.connection.close()
            self._pool = None


# What pypsrp trips over in an answer that is none, or that was cut off.
UNREADABLE = (ParseError, ValueError, TypeError, LookupError, AttributeError, struct.error)
LOST = (
    *UNREADABLE,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    spnego.exceptions.SpnegoError,
    WinRMError,
    OSError,
)


class _Adapter(HTTPAdapter):
    """Trusts what the machine trusts, or exactly the pinned certificate."""

    def __init__(self, route: Route) -> None:
        self._trust = route.trust
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        named["ssl_context"] = self._trust.context()
        if self._trust.digest is not None:
            named["assert_fingerprint"] = self._trust.digest.hex()
        super().init_poolmanager(*arguments, **named)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context says all; requests would put its own list of authorities before it."""
        conn.cert_reqs = "CERT_NONE" if self._trust.pin else "CERT_REQUIRED"


def _add(shell: PowerShell, command: Cmd) -> None:
    if command.is_script:
        shell.add_script(command.name)
    else:
        shell.add_cmdlet(command.name)
    for name, value in command.parameters:
        shell.add_parameter(name, _typed(value))


def _typed(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > INT32_MAX:
        return TaggedValue("I64", value)
    return value


def _told(shell: PowerShell) -> errors.CommandFailed:
    record = shell.streams.error[-1]
    return errors.failed(str(record), record.fq_error or "")


def _brief(error: BaseException) -> str:
    """The cause, without the layers that it came through."""
    while error.__context__ is not None and not isinstance(error, OSError):
        error = error.__context__
    return repr(error)[:200] if isinstance(error, UNREADABLE) else str(error)[:200]
