"""Parts that go on with what is due for other systems, several at once."""

from collections.abc import Awaitable, Callable
from typing import Final

from fj_runtime import Periodic

AT_ONCE: Final = 4
LOOK_S: Final = 0.5
DAY_S: Final = 86_400


def couriers(name: str, go_on: Callable[[], Awaitable[bool]]) -> list[Periodic]:
    """Parts that each do one thing after the other, so that what takes long holds up nobody but itself.

    `go_on` does one thing that is due and says whether there was one. Several processes may do it side by side.
    """

    async def until_done() -> None:
        while await go_on():
            pass

    return [Periodic(f"{name} {number}", LOOK_S, until_done, seconds_max=DAY_S) for number in range(1, AT_ONCE + 1)]
