"""`filmjacket clean-data`."""

from fj_local.stack import Stack

from filmjacket.terminal import say


def clean_data() -> None:
    """Stop everything and delete its data, logs and generated passwords."""
    stack = Stack.from_environment(say)
    stack.clean_data()
    say(f"{stack.home.path} is empty")
