"""What several controllers on one log share: leases, connections, and the way to others' events."""
