"""What may be fetched from where, and how much of it."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from aggregates.errors import Invalid
from drivers.contract.errors import Refused
from engine.image_fetch import Source, fetch, networks
from tests.images.conftest import Site


async def _quiet(percent: int, text: str) -> None:
    return None


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.5.5", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::1", False),
        ("10.7.0.1", True),
    ],
)
def test_a_tenant_reaches_the_outside_and_what_was_opened(address: str, allowed: bool) -> None:
    source = Source("http://x", trusted=False, sites=("10.7.0.0/16",))
    assert source.allows(ipaddress.ip_address(address)) is allowed


def test_a_site_that_is_no_network_is_refused() -> None:
    with pytest.raises(Invalid, match="is no network"):
        networks(["10.0.0.0/8", "everywhere"])


async def test_no_more_is_taken_than_is_allowed(site: Site, tmp_path: Path) -> None:
    url = site.offer("big", b"x" * 1000)
    fits = Source(url, trusted=True, bytes_max=1000)
    await fetch(fits, tmp_path / "fits", _quiet)
    assert (tmp_path / "fits").stat().st_size == 1000
    with pytest.raises(Refused, match="at most 999"):
        await fetch(Source(url, trusted=True, bytes_max=999), tmp_path / "big", _quiet)


async def test_an_address_in_disguise_reaches_nothing(site: Site, tmp_path: Path) -> None:
    """Digits of another script: a name to whoever parses the URL, this machine to the client."""
    url = site.offer("secret", b"x").replace("127.0.0.1", "\uff11\uff12\uff17.0.0.1")
    with pytest.raises(Refused, match="only an administrator may name"):
        await fetch(Source(url, trusted=False), tmp_path / "secret", _quiet)
