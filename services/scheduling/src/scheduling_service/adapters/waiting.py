"""The waiting list, and the table `freed`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from scheduling_service.adapters.book import SHOWN, shown
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.waiting import Freed

if TYPE_CHECKING:
    from fj_runtime.database import Pool

_FIND: Final = f"""{SHOWN}
 WHERE e.waits_since IS NOT NULL AND ($1::text IS NULL OR e.site = $1)
 ORDER BY e.waits_urgency, e.waits_since, e.exam_key LIMIT $2 OFFSET $3
"""


class PostgresWaitingList:
    """See `scheduling_service.ports.WaitingList`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def find(self, site: str | None, limit: int, offset: int = 0) -> list[Exam]:
        return [shown(row) for row in await self._pool.fetch(_FIND, site, limit, offset)]

    async def freed(self) -> list[Freed]:
        rows = await self._pool.fetch("SELECT id, site, station_ae_title FROM freed")
        return [Freed(row["id"], row["site"], row["station_ae_title"]) for row in rows]

    async def forget_freed(self) -> None:
        """Nobody looks at what became free."""
        await self._pool.execute("DELETE FROM freed")

    async def looked_at(self, freed: Sequence[Freed]) -> None:
        await self._pool.execute("DELETE FROM freed WHERE id = ANY($1)", [each.id for each in freed])
