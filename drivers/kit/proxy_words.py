"""Pure: balancers that take connections themselves, as haproxy is told of them.

(https://docs.haproxy.org/2.6/configuration.html)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Address

from drivers.contract.errors import Refused
from drivers.contract.routing import Balance, Check, Cookie, Proxied, RouterSpec

# Those that were begun before a change go on for so long.
LINGER_S = 60
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")
DOMAIN = re.compile(r"\.?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
TIME = re.compile(r"[0-9]{1,12}(us|ms|s|m|h|d)?")
# A path and a query as RFC 3986 has them.
PATH = re.compile(r"/[A-Za-z0-9/._~!$&'()*+,;=:@%?-]{0,1000}")
MODES, WORDS = ("insert", "rewrite", "prefix"), ("indirect", "nocache", "postonly")

HEAD = f"""\
global
  hard-stop-after {LINGER_S}s
  uid 65534
  gid 65534
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-request 30s
  timeout http-keep-alive 10s
  timeout check 5s
  option redispatch
  retries 2
"""


def proxied(spec: RouterSpec) -> list[Balance]:
    """Those balancers of a router that look into connections."""
    return [one for one in spec.balances if one.proxied is not None and one.members]


def haproxy_conf(spec: RouterSpec) -> str:
    """Empty where packets are led on as they are."""
    listens = ["\n".join(_listen(one)) + "\n" for one in proxied(spec)]
    return HEAD + "".join(listens) if listens else ""


def _listen(one: Balance) -> Iterator[str]:
    how = one.proxied or Proxied()
    if one.protocol != "tcp":
        raise Refused(f"a router looks into connections of tcp, not of {one.protocol!r}")
    address, port = IPv4Address(one.address), int(one.port)
    yield f"listen {address}-{port}"
    yield f"  bind {address}:{port}"
    yield f"  mode {'tcp' if how.cookie is None else 'http'}"
    yield f"  balance {_turn(one, how)}"
    if how.cookie is not None:
        yield from _learnt(how.cookie) if how.cookie.is_learnt else _set(how.cookie)
    checked = "check inter 2s fall 3 rise 2"
    if how.check is not None:
        yield from _asked(how.check)
        inter_s, fall, rise = how.check.interval_s, how.check.unhealthy, how.check.healthy
        checked = f"check inter {int(inter_s)}s fall {int(fall)} rise {int(rise)}"
    proxy = " send-proxy" if how.tells_caller else ""
    for ip4, to in one.members:
        where = f"{IPv4Address(ip4)}:{int(to)}"
        name = sha256(where.encode()).hexdigest()[:12]
        marked = f" cookie {name}" if how.cookie is not None and not how.cookie.is_learnt else ""
        yield f"  server {name} {where} {checked}{proxy}{marked}"


def _turn(one: Balance, how: Proxied) -> str:
    if one.by_source:
        return "source"
    return "leastconn" if how.to_fewest else "roundrobin"


def _set(cookie: Cookie) -> Iterator[str]:
    mode = _one_of(cookie.mode, *MODES)
    words = [_one_of(word, *WORDS) for word in cookie.words]
    if cookie.domain:
        words.append(f"domain {_like(DOMAIN, cookie.domain, 'domain of a cookie')}")
    yield f"  cookie {' '.join((_name(cookie), mode, *words))}"


def _learnt(cookie: Cookie) -> Iterator[str]:
    # What is in parentheses is read once more.
    name, held = _name(cookie).replace("\\'", "\\\\\\'"), _like(TIME, cookie.held, "time")
    yield f"  stick-table type string len {int(cookie.length)} size 100k expire {held}"
    yield f"  stick store-response res.cook({name})"
    yield f"  stick match req.cook({name})"
    if cookie.from_request:
        yield f"  stick store-request req.cook({name})"


def _asked(check: Check) -> Iterator[str]:
    yield f"  option httpchk GET {_escaped(_like(PATH, check.path, 'path'))}"
    yield f"  timeout check {int(check.timeout_s)}s"


def _name(cookie: Cookie) -> str:
    return _escaped(_like(NAME, cookie.name, "name of a cookie"))


def _escaped(word: str) -> str:
    """As haproxy reads it, to which these two begin a comment and a quotation."""
    return word.replace("#", "\\#").replace("'", "\\'")


def _like(form: re.Pattern[str], text: str, what: str) -> str:
    if not form.fullmatch(text):
        raise Refused(f"{text!r} is no {what}")
    return text


def _one_of(word: str, *known: str) -> str:
    if word not in known:
        raise Refused(f"{word!r} is none of {', '.join(known)}")
    return word
