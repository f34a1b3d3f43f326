"""How this program fails, in the words of the controller: what it may do next depends on them."""


class Failure(Exception):
    """Base of all that is told to the controller as an error."""


class Refused(Failure):
    """Did not happen, and never will as asked."""


class Missing(Refused):
    """The same, because Proxmox VE has no such thing."""


class Taken(Refused):
    """The same, because a VM of this number is there already."""


class Unavailable(Failure):
    """Did not happen yet: the same question may be asked again later."""


class Unknown(Failure):
    """May have happened."""


class Cancelled(Exception):
    """Nobody waits for the answer any more, so none is given."""
