"""The table `noted_appointment`: appointments by the numbers that scheduling systems have for them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final

from fj_bus import Tx
from fj_events import WorkSettledAs

from scheduling_service.domain.news import News
from scheduling_service.domain.unordered import Noted, settled

if TYPE_CHECKING:
    from fj_bus import Connection
    from fj_runtime.database import Pool

_COLUMNS: Final = "appointment_id, news::text, is_open, received_at"
_BY_NAME: Final = f"""
SELECT {_COLUMNS} FROM noted_appointment WHERE names && $1::text[]
 ORDER BY received_at DESC, appointment_id DESC LIMIT 1
"""
_BY_ID: Final = f"SELECT {_COLUMNS} FROM noted_appointment WHERE appointment_id = $1"
_OPEN: Final = f"SELECT {_COLUMNS} FROM noted_appointment WHERE is_open ORDER BY received_at DESC LIMIT $1"
_ADD: Final = f"""
INSERT INTO noted_appointment (names, news, is_open) VALUES ($1, $2, $3) RETURNING {_COLUMNS}
"""
_CHANGE: Final = f"""
UPDATE noted_appointment SET names = $1, news = $2, is_open = $3, received_at = now() WHERE appointment_id = $4
RETURNING {_COLUMNS}
"""
_FORGET: Final = f"""
DELETE FROM noted_appointment WHERE received_at < now() - make_interval(days => $1) RETURNING {_COLUMNS}
"""


async def by_names(connection: "Connection", names: tuple[str, ...]) -> Noted | None:
    """What is known of an appointment that has one of these numbers."""
    row = await connection.fetchrow(_BY_NAME, list(names))
    return _noted(row) if row else None


async def by_id(connection: "Connection", appointment_id: int) -> Noted | None:
    """The same by our own number."""
    row = await connection.fetchrow(_BY_ID, appointment_id)
    return _noted(row) if row else None


async def keep(connection: "Connection", news: News, before: Noted | None, *, is_open: bool) -> Noted:
    """What was said last, instead of what was said before."""
    said = (list(news.appointment_names), news.model_dump_json(exclude_none=True), is_open)
    known = (before.appointment_id,) if before else ()
    return _noted(await connection.fetchrow(_CHANGE if before else _ADD, *said, *known))


class PostgresNotedBook:
    """See `scheduling_service.entrypoints.unordered.NotedBook`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def waiting(self, limit: int) -> list[Noted]:
        return [_noted(row) for row in await self._pool.fetch(_OPEN, limit)]

    async def read(self, appointment_id: int) -> Noted | None:
        row = await self._pool.fetchrow(_BY_ID, appointment_id)
        return _noted(row) if row else None


async def forget(unit: Callable[[], AbstractAsyncContextManager[Tx]], days: int) -> None:
    """What nothing was said of for so long; where a person should have, that is told."""
    async with unit() as tx:
        for row in await tx.connection.fetch(_FORGET, days):
            if row["is_open"]:
                tx.emit(settled(_noted(row), WorkSettledAs.CANCELLED, "forgotten: nobody said anything"))


def _noted(row: Any) -> Noted:
    return Noted(
        appointment_id=row["appointment_id"],
        news=News.model_validate_json(row["news"], extra="ignore"),
        is_open=row["is_open"],
        received_at=row["received_at"],
    )
