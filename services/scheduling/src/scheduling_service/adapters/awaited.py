"""The table `awaited`: news of appointments whose order is not here yet."""

from typing import TYPE_CHECKING, Final

from scheduling_service.domain.news import News

if TYPE_CHECKING:
    from fj_bus import Connection
    from fj_runtime.database import Pool

_TAKE: Final = "DELETE FROM awaited WHERE names && $1::text[] RETURNING news::text, received_at"
_KEEP: Final = "INSERT INTO awaited (names, news) VALUES ($1, $2)"
_FORGET: Final = "DELETE FROM awaited WHERE received_at < now() - make_interval(days => $1)"


async def keep(connection: "Connection", news: News) -> None:
    """Keep the news, instead of what was said of the same order before."""
    await connection.execute(_TAKE, list(news.names))
    await connection.execute(_KEEP, list(news.names), news.model_dump_json(exclude_none=True))


async def take(connection: "Connection", names: tuple[str, ...]) -> News | None:
    """The newest news of an order, which is waited for no longer."""
    rows = await connection.fetch(_TAKE, list(names))
    newest = max(rows, key=lambda row: row["received_at"], default=None)
    return None if newest is None else News.model_validate_json(newest["news"], extra="ignore")


async def forget(pool: "Pool", days: int) -> None:
    """Wait no longer for orders that do not come."""
    await pool.execute(_FORGET, days)
