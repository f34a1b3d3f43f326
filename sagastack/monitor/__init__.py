"""What others watch a controller by: figures, health, traces, and traps of alerts."""
