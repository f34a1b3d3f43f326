"""Fixtures of the tests of networking: the place of the tenant's tests."""

from tests.tenant.conftest import here

__all__ = ["here"]
