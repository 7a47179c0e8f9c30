"""Parts that go on with what is due for other systems, several at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from fj_runtime import Periodic

AT_ONCE: Final = 4
LOOK_S: Final = 0.5
DAY_S: Final = 86_400


def courier(name: str, go_on: Callable[[], Awaitable[bool]]) -> Periodic:
    """`go_on` does one thing that is due and says whether there was one. Several processes may do it side by side."""

    async def until_done() -> None:
        while await go_on():
            pass

    async def act() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(until_done())

    return Periodic(name, LOOK_S, act, seconds_max=DAY_S)
