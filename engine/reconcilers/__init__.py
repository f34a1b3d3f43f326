"""Reconcilers: what is really there against what the log says."""
