"""Tools that read the log beside a running server: history, replay, verify, doctor, export."""
