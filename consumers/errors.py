"""How following a cloud fails, each named by what to do next."""


class ConsumerError(Exception):
    """Something that no waiting inside of the library can mend."""


class BadSource(ConsumerError):
    """The source or its options cannot be understood: write it otherwise."""


class NotAllowed(ConsumerError):
    """The server knows the caller not, or lets it read no events: use other keys."""


class SourceGone(ConsumerError):
    """The source was away for longer than the caller's patience: look after it, and start again.

    Nothing is lost: whatever was not committed comes again.
    """


class LogGap(ConsumerError):
    """An event that lies between others is not in the topic: retention, or another cloud's topic.

    Start behind the gap with `after=`, or fold anew from the store.
    """


class Unreadable(ConsumerError):
    """A record is none of Sagastack's: the text says where it is."""
