"""Certificates as they are read."""

from aggregates.ssl_cert import SslCert
from projections.table import table

ssl_certs = table(SslCert, indexed=("account_id", "domain_id", "name"))

__all__ = ["SslCert", "ssl_certs"]
