"""The one table from what went wrong to what the wire says: HTTP status, cserrorcode and text.

The API may not import the domain or the drivers, so their errors are known here by class name,
looked up along the class's bases: the nearest name wins. What is not in the table is a bug of
ours: the caller gets 530 and an incident id, and only the server's log gets the traceback.
"""

from __future__ import annotations

from dataclasses import dataclass


class ApiError(Exception):
    """Something the API itself refuses. Subclasses fix the two codes; the message is the text."""

    status = 530
    cs_code: int | None = 9999


class ParamError(ApiError):
    """431: a parameter is missing or unusable."""

    status = 431


class Gone(ParamError):
    """431 of a deletion: what it names is not there any more, or never was."""

    cs_code = 4350


class MalformedParam(ApiError):
    """430: a map parameter does not follow `name[i].field=value`."""

    status = 430


class InvalidValue(ApiError):
    """431 as the body of a command says it: the value is well formed and cannot be used."""

    status, cs_code = 431, 4350


class TooMany(ApiError):
    """429: the account asks too often."""

    status, cs_code = 429, 4545


class Unsupported(ApiError):
    """432: there is no such command, or not for this account."""

    status = 432


class Unauthorized(ApiError):
    """401: who is this? One text for every reason, so that nothing can be probed."""

    status, cs_code = 401, None

    def __init__(
        self, text: str = "unable to verify user credentials and/or request signature"
    ) -> None:
        super().__init__(text)


class SecondFactorNeeded(ApiError):
    """511: the session is real, and its second factor has not been given."""

    status, cs_code = 511, 4290


class LoginFailed(ApiError):
    """531: name, domain or password is wrong; which one stays unsaid."""

    status, cs_code = 531, 4290

    def __init__(self) -> None:
        super().__init__("Failed to authenticate: the username, domain or password is wrong")


class WrongMethod(ApiError):
    """405: this must be sent by POST."""

    status = 405


class Denied(ApiError):
    """531: the caller may see the thing, but may not do this to it."""

    status, cs_code = 531, 4365


class TooMuch(ApiError):
    """429: more than the caller may ask for now."""

    status, cs_code = 429, 4545


class Closing(ApiError):
    """503: the server is shutting down; ask again soon."""

    status, cs_code = 503, 4555


class Away(ApiError):
    """503: who asks cannot be found out now. Where that is kept is not for strangers to know."""

    status, cs_code = 503, 4555

    def __init__(self) -> None:
        super().__init__(
            "Nobody can be signed in or recognised by a session at the moment: ask again soon; "
            "requests that are signed with a key are answered"
        )


@dataclass(frozen=True, slots=True)
class Code:
    """The two numbers of an answer that says no."""

    status: int
    cs_code: int | None


# Domain and engine refusals by class name. 4350 an unusable value, 4365 no permission, 4360 a
# rule conflict, 4280 a limit, 4375 in use, 4380 unavailable, 4335 no capacity, 4250 run time.
CODES: dict[str, Code] = {
    "NotAllowed": Code(431, 4350),
    "Busy": Code(431, 4350),
    "NotFound": Code(431, 4350),
    "Invalid": Code(431, 4350),
    "AlreadyExists": Code(431, 4350),
    "DomainError": Code(431, 4350),
    "Forbidden": Code(531, 4365),
    "InUse": Code(536, 4375),
    "Conflict": Code(536, 4375),
    "RuleConflict": Code(537, 4360),
    "LimitReached": Code(532, 4280),
    "Exhausted": Code(533, 4335),
    "Refused": Code(530, 4250),
    "Unavailable": Code(534, 4380),
    "Unknown": Code(530, 4250),
    "DriverError": Code(530, 4250),
    "LogUnavailable": Code(530, 4250),
    "Parked": Code(530, 4250),
}


def code_of(error: BaseException) -> Code | None:
    """The codes of an error, or None for one that nobody foresaw."""
    if isinstance(error, ApiError):
        return Code(error.status, error.cs_code)
    # A job that failed carries the class name of what it failed with.
    names = [str(getattr(error, "error", "")), *(cls.__name__ for cls in type(error).__mro__)]
    return next((CODES[name] for name in names if name in CODES), None)


def code_named(name: str) -> Code:
    """The codes of a recorded failure, by the class name that the log holds."""
    return CODES.get(name, Code(530, 4250))


def missing(command: str, param: str) -> ParamError:
    """The exact words that clients match on for a parameter that was left out."""
    return ParamError(
        f"Unable to execute API command {command.lower()} due to missing parameter {param}"
    )


def bad_value(command: str, param: str, value: str, why: str = "") -> ParamError:
    """The exact words for a value of the wrong form; `why` is added after them."""
    text = f"Unable to execute API command {command.lower()} due to invalid value"
    return ParamError(f"{text} {value} for parameter {param}" + (f": it {why}" if why else ""))


def no_such_id(command: str, param: str, value: str) -> ParamError:
    """The exact words that clients read as 'gone'; also said of what the caller may not see.

    A deletion that is repeated is told so by its code too, which is how some know that it is done.
    """
    said = Gone if command.lower().startswith("delete") else ParamError
    return said(
        f"Unable to execute API command {command.lower()} due to invalid value. "
        f"Invalid parameter {param} value={value} due to incorrect long value format, "
        "or entity does not exist or due to incorrect parameter annotation "
        "for the field in api cmd class."
    )


def not_for_you(command: str, account: str, hint: str = "") -> Unsupported:
    """The words for a command that does not exist, or that the caller's role does not have."""
    text = f"The API [{command}] does not exist or is not available for the account {account}"
    return Unsupported(f"{text}: {hint}" if hint else text)
