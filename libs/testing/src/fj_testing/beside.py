"""Two transactions side by side, for tests of what is lost between them."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from fj_testing.eventually import eventually

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")

_WAITS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"


async def beside(pool: "asyncpg.Pool[asyncpg.Record]", work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start `work` and go on when it has ended, or waits for a lock that somebody holds in the pool's database."""
    task = asyncio.create_task(work)

    async def ended_or_waits() -> bool:
        return task.done() or bool(await pool.fetchval(_WAITS))

    await eventually(ended_or_waits, every=0.01)
    return task
