"""`filmjacket demo`."""

import importlib
import importlib.util

from fj_local.stack import Stack

from filmjacket.errors import NoSuchThing
from filmjacket.terminal import say


def demo() -> None:
    """Start everything, play exams from order to delivered report, show where to look, and leave it running."""
    if importlib.util.find_spec("fj_simulators") is None:
        raise NoSuchThing("the simulators are not installed here: run this in the project, as `make demo`")
    stack = Stack.from_environment(say)
    stack.up()
    importlib.import_module("fj_simulators.demo").main()
