"""A test that takes too long is cancelled: what it began ends with it.

Where pytest-timeout comes first, the test and its tasks go on in the session's event loop beside all tests after it.
"""

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

_SHARE: Final = 0.9
"""Of the limit: the rest is for what the test does at its end."""


def end_by_cancellation(item: pytest.Item) -> None:
    """From now, a coroutine has most of pytest-timeout's limit for this test; then it raises TimeoutError."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        marker = item.get_closest_marker("timeout")
        limit = float(marker.args[0] if marker else item.config.getini("timeout"))
        item.obj = _ending(item.obj, time.monotonic() + limit * _SHARE)


def _ending(test: Callable[..., Awaitable[None]], deadline: float) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def ends(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(deadline - time.monotonic()):
            await test(*args, **kwargs)

    return ends
