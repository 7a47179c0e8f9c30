"""What persons did about the exceptions list, in PostgreSQL."""

from typing import Final
from uuid import UUID

from asyncpg import Pool
from fj_bus import Tx

from portal_service.domain.exceptions import Act, Dismissal

TABLES: Final = ("dismissals", "acts")
"""What a rebuild makes anew."""
_DISMISS: Final = """
INSERT INTO dismissals (exception_id, kind, about, actor, reason, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (exception_id) DO UPDATE
   SET kind = excluded.kind, about = excluded.about, actor = excluded.actor, reason = excluded.reason, at = excluded.at
"""
_ENTER: Final = """
INSERT INTO acts (event_id, at, site, actor, summary) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (event_id) DO NOTHING
"""


class PostgresActs:
    """See `portal_service.ports.Acts`."""

    def __init__(self, tx: Tx) -> None:
        self._db = tx.connection

    async def enter(self, act: Act) -> None:
        await self._db.execute(_ENTER, act.event_id, act.at, act.site, act.actor, act.summary)

    async def dismiss(self, dismissal: Dismissal, kind: str, about: tuple[str, ...]) -> None:
        said = (dismissal.actor, dismissal.reason, dismissal.at)
        await self._db.execute(_DISMISS, dismissal.exception_id, kind, list(about), *said)

    async def restore(self, exception_id: UUID) -> None:
        await self._db.execute("DELETE FROM dismissals WHERE exception_id = $1", exception_id)


class PostgresActBook:
    """See `portal_service.ports.ActBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def newest(self, limit: int) -> list[Act]:
        rows = await self._pool.fetch("SELECT * FROM acts ORDER BY at DESC, event_id LIMIT $1", limit)
        return [Act(**dict(row)) for row in rows]
