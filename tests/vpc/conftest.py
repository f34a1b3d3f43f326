"""Fixtures of the tests of networking: those of the tenant's tests, and of building zones."""

from tests.infra.conftest import api
from tests.tenant.conftest import here

__all__ = ["api", "here"]
