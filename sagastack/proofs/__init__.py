"""Proofs that a log is whole, and that a tenant was shown what is its own."""
