"""Waiting for an outcome with a deadline, in place of sleeping."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, overload

T = TypeVar("T")

_EVERY: Final = 0.05
_SELDOM: Final = 0.5
_SHARE: Final = 0.2
PATIENCE: Final = float(os.environ.get("FJ_TEST_PATIENCE", "4"))
"""How many times longer than a test says it may take: machines that run tests are busy with other things too."""


@overload
async def eventually(
    check: Callable[[], Awaitable[T]], within: float = 10.0, every: float = _EVERY, what: str = ""
) -> T: ...
@overload
async def eventually(check: Callable[[], T], within: float = 10.0, every: float = _EVERY, what: str = "") -> T: ...
async def eventually(
    check: Callable[[], T | Awaitable[T]], within: float = 10.0, every: float = _EVERY, what: str = ""
) -> T:
    """The first true answer of `check()`; an AssertionError in it means "not yet".

    Raises AssertionError after `within` seconds times FJ_TEST_PATIENCE, with the last answer or failed assertion.
    """
    begun = time.monotonic()
    deadline = begun + within * PATIENCE
    while True:
        answer, failure = await _ask(check)
        if failure is None and answer:
            return answer
        if time.monotonic() >= deadline:
            last = answer if failure is None else failure
            message = f"{what or _words(check)}: not within {within:g} s; last: {last}"
            raise AssertionError(message) from failure
        await asyncio.sleep(until_next_look(begun, every))


def until_next_look(begun: float, every: float = _EVERY) -> float:
    """Seconds to wait after a look in vain: a fifth of what was waited already, at least `every` and at most half one.

    Those who look all the time take the processor from those whom they wait for.
    """
    return max(every, min(_SHARE * (time.monotonic() - begun), _SELDOM))


async def _ask(check: Callable[[], T | Awaitable[T]]) -> tuple[T | None, AssertionError | None]:
    try:
        answer = check()
        return (await answer if isinstance(answer, Awaitable) else answer), None
    except AssertionError as failure:
        return None, failure


def _words(check: Callable[[], object]) -> str:
    try:
        return inspect.getsource(check).strip()
    except (OSError, TypeError):
        return repr(check)  # a partial, or code without a file
