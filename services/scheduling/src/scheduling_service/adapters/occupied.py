"""The table `occupied`: who has a station when. Its exclusion constraint decides between two who want the same."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from asyncpg import ExclusionViolationError, Range, Record

from scheduling_service.adapters.locks import LOCK, hashed
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.slots import Block, Span

if TYPE_CHECKING:
    from fj_bus import Connection
    from fj_runtime.database import Pool

_GIVE_BACK: Final = "DELETE FROM occupied WHERE exam_key = $1"
_OCCUPY: Final = """
INSERT INTO occupied (site, station_ae_title, period, exam_key, number) VALUES ($1, $2, $3, $4, $5)
"""
_BLOCK: Final = """
INSERT INTO occupied (site, station_ae_title, period, block_id, reason, actor) VALUES ($1, $2, $3, $4, $5, $6)
"""
_TAKEN: Final = """
SELECT station_ae_title, lower(period) AS starts_at, upper(period) AS ends_at FROM occupied
 WHERE site = $1 AND station_ae_title = ANY($2) AND period && $3 ORDER BY period
"""
_BLOCKS: Final = """
SELECT block_id, site, station_ae_title, lower(period) AS starts_at, upper(period) AS ends_at, reason, actor
  FROM occupied
 WHERE block_id IS NOT NULL AND ($1::text IS NULL OR site = $1) AND ($2::text IS NULL OR station_ae_title = $2)
   AND period && $3
 ORDER BY period, station_ae_title LIMIT 1000
"""


async def occupy(connection: "Connection", exam: Exam) -> bool:
    """Give an exam the times of its steps, instead of those it had. False, and nothing changed, when one is taken."""
    rows = [
        (
            exam.site,
            step.plan.station_ae_title,
            Range(step.plan.starts_at, step.plan.starts_at + timedelta(minutes=step.plan.duration_minutes)),
            exam.key,
            number,
        )
        for number, step in enumerate(exam.steps)
        if step.keeps_its_slot
    ]
    await _alone(connection, exam.site, (row[1] for row in rows))
    try:
        async with connection.transaction():
            await connection.execute(_GIVE_BACK, exam.key)
            await connection.executemany(_OCCUPY, rows)
    except ExclusionViolationError:
        return False
    return True


async def hold(
    connection: "Connection", site: str, ae_titles: Collection[str], within: Span
) -> Mapping[str, list[Span]]:
    """When stations are taken, which stays so until the end of the transaction."""
    await _alone(connection, site, ae_titles)
    return _spans(await connection.fetch(_TAKEN, site, list(ae_titles), Range(within.start, within.end)))


async def keep_free(connection: "Connection", block: Block) -> bool:
    """Take a station out of use for a while. False, and nothing changed, when somebody has it."""
    await _alone(connection, block.site, [block.station_ae_title])
    period = Range(block.span.start, block.span.end)
    try:
        async with connection.transaction():
            await connection.execute(
                _BLOCK, block.site, block.station_ae_title, period, block.block_id, block.reason, block.actor
            )
    except ExclusionViolationError:
        return False
    return True


async def free_again(connection: "Connection", block_id: UUID) -> bool:
    """End a block. False when there is none."""
    return bool(await connection.execute("DELETE FROM occupied WHERE block_id = $1", block_id) == "DELETE 1")


async def _alone(connection: "Connection", site: str, ae_titles: Iterable[str]) -> None:
    """One at a time at each station: two that insert at once under an exclusion constraint may deadlock."""
    await connection.execute(LOCK, sorted({hashed(f"{site}/{title}") for title in ae_titles}))


def _spans(rows: Iterable[Record]) -> Mapping[str, list[Span]]:
    found: dict[str, list[Span]] = defaultdict(list)
    for row in rows:
        found[row["station_ae_title"]].append(Span(row["starts_at"], row["ends_at"]))
    return found


class PostgresRooms:
    """See `scheduling_service.ports.Rooms`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def taken(self, site: str, ae_titles: Collection[str], within: Span) -> Mapping[str, list[Span]]:
        return _spans(await self._pool.fetch(_TAKEN, site, list(ae_titles), Range(within.start, within.end)))

    async def blocks(self, site: str | None, ae_title: str | None, within: Span) -> list[Block]:
        return [
            Block(
                block_id=row["block_id"],
                site=row["site"],
                station_ae_title=row["station_ae_title"],
                span=Span(row["starts_at"], row["ends_at"]),
                reason=row["reason"],
                actor=row["actor"],
            )
            for row in await self._pool.fetch(_BLOCKS, site, ae_title, Range(within.start, within.end))
        ]
