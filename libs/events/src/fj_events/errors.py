"""What can be wrong with a record."""


class BadEvent(Exception):
    """A record that is no fact of ours."""


class BadEnvelope(BadEvent):
    """Its headers are not those of a CloudEvent as we write it."""


class BadBody(BadEvent):
    """Its body does not fit its type. The message names fields, never values."""


class UnknownType(BadEvent):
    """Its type is not known here: a newer service wrote it. Skipped and counted."""


class TooBig(Exception):
    """A fact whose body would exceed 512 KiB (law 7): the list belongs in the object store."""
