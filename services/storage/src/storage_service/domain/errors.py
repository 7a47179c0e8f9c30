"""What retrieval refuses. The messages name no patient."""


class RetrievalError(Exception):
    """What is asked for cannot be given."""


class Gone(RetrievalError):
    """The index knows it, and the object store does not (any more)."""


class Away(RetrievalError):
    """The object store does not answer; later it may."""


class NoSuchPart(RetrievalError):
    """The instance has no such frame or element."""


class Unreadable(RetrievalError):
    """The data set cannot be taken apart; as a whole it can be had."""


class TooLong(Unreadable):
    """Taken apart, it is longer than what is taken into memory; as it is stored it can be had."""


class NotShown(RetrievalError):
    """The instance cannot be had as an image."""


class NotConverted(RetrievalError):
    """The instance cannot be had in the transfer syntax that is asked for."""
