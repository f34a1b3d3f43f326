"""How a driver fails. The class says what the engine may do next; the message says why.

A driver raises nothing else: every error of a backend is mapped to one of these in the driver's
own `errors.py`, in one table.
"""


class DriverError(Exception):
    """Base of every error that a driver may raise."""


class Refused(DriverError):
    """Definitely did not happen and never will as asked: undo, and tell the user."""


class Unavailable(DriverError):
    """Definitely did not happen yet: try again with the same key after a delay."""


class Unknown(DriverError):
    """May have happened (a timeout, a lost connection): ask again with the same key."""
