"""What the operator asked for and cannot have."""

from fj_local.errors import StackError


class NoSuchThing(StackError):
    """There is no service, topic, log or exam of this name."""


class NotReachable(StackError):
    """The stack does not answer."""
