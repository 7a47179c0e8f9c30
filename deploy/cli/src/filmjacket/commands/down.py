"""`filmjacket down`."""

from fj_local.stack import Stack

from filmjacket.terminal import say


def down() -> None:
    """Stop everything; data stays."""
    Stack.from_environment(say).down()
