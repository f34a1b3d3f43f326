"""SSH key pairs as they are read."""

from aggregates.ssh_key_pair import SshKeyPair
from projections.table import table

ssh_key_pairs = table(SshKeyPair, indexed=("account_id", "domain_id", "name"))

__all__ = ["SshKeyPair", "ssh_key_pairs"]
