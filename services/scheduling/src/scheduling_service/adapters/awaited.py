"""The tables `awaited` (news whose order is not here yet) and `appointment_news` (when the newest was said of one)."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from scheduling_service.domain.news import News

if TYPE_CHECKING:
    from fj_bus import Connection
    from fj_runtime.database import Pool

_TAKE: Final = "DELETE FROM awaited WHERE names && $1::text[] RETURNING news::text, received_at"
_KEEP: Final = "INSERT INTO awaited (names, news) VALUES ($1, $2)"
_NEWEST: Final = """
SELECT news::text FROM awaited WHERE names && $1::text[] ORDER BY received_at DESC LIMIT 1
"""
_IS_NEWS: Final = """
INSERT INTO appointment_news AS newest (exam_key, said_at) VALUES ($1, $2)
ON CONFLICT (exam_key) DO UPDATE SET said_at = excluded.said_at WHERE newest.said_at <= excluded.said_at
RETURNING 1
"""
_FORGET: Final = "DELETE FROM awaited WHERE received_at < now() - make_interval(days => $1)"


async def keep(connection: "Connection", news: News) -> None:
    """Keep the news, instead of what was said of the same order before; what is older than that is left."""
    known = await connection.fetchval(_NEWEST, list(news.names))
    if known is not None and _is_older(news, News.model_validate_json(known, extra="ignore")):
        return
    await connection.execute(_TAKE, list(news.names))
    await connection.execute(_KEEP, list(news.names), news.model_dump_json(exclude_none=True))


def _is_older(news: News, known: News) -> bool:
    return news.said_at is not None and known.said_at is not None and news.said_at < known.said_at


async def is_news(connection: "Connection", exam_key: str, said_at: datetime) -> bool:
    """Whether nothing newer was said of the appointment of this exam; it is the newest then."""
    return await connection.fetchval(_IS_NEWS, exam_key, said_at) is not None


async def take(connection: "Connection", names: tuple[str, ...]) -> News | None:
    """The newest news of an order, which is waited for no longer."""
    rows = await connection.fetch(_TAKE, list(names))
    newest = max(rows, key=lambda row: row["received_at"], default=None)
    return None if newest is None else News.model_validate_json(newest["news"], extra="ignore")


async def forget(pool: "Pool", days: int) -> None:
    """Wait no longer for orders that do not come."""
    await pool.execute(_FORGET, days)
