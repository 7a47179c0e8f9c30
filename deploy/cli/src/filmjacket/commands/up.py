"""`filmjacket up`."""

from fj_local.stack import Stack

from filmjacket.terminal import console, say


def up() -> None:
    """Start what does not run and wait until everything is ready; data stays."""
    stack = Stack.from_environment(say)
    stack.up()
    console.print(f"everything is ready: http://127.0.0.1:{stack.ports['gateway']}/", highlight=False)
