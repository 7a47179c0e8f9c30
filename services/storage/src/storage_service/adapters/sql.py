"""What several adapters write alike."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

# Quoted: the classes of asyncpg are generic in their stubs alone.
Database: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connected: TypeAlias = "Database | Pool"
Row: TypeAlias = "asyncpg.Record"

UNDATED: Final = date.min
"""The study date of a study that has none: a partition key cannot be absent."""

CURRENT_NUMBERS: Final = "(SELECT current_numbers({}::text[]))::text[]"
"""Patient numbers under which is found what is asked for under these.

Asked for once: called in a condition, the function is planned and run anew for each partition of `study`.
"""

_LOCK: Final = "SELECT * FROM study_route WHERE study_instance_uid = ANY($1::text[]) ORDER BY 1 FOR UPDATE"
_KNOWN: Final = """
SELECT pg_advisory_xact_lock(h) FROM (SELECT hashtextextended(id, 0) AS h FROM unnest($1::text[]) AS id ORDER BY 1) AS s
"""
_KNOW: Final = """
INSERT INTO study_route (study_instance_uid) SELECT unnest($1::text[]) ORDER BY 1 ON CONFLICT DO NOTHING
"""


async def lock_known(db: Database, ids: Iterable[UUID]) -> None:
    """Take turns with all that joins orders, or images, to what is known about these patients' numbers and orders.

    Before `lock_studies`, here and everywhere.
    """
    await db.execute(_KNOWN, [str(one) for one in ids])


async def lock_studies(db: Database, study_instance_uids: Iterable[str]) -> dict[str, Row]:
    """Lock the routing rows of studies, made now where nobody has named the study before; by UID.

    A row that is there before its first image lets the first order and the first image of a study wait for each other.
    """
    uids = sorted(set(study_instance_uids))
    rows = await db.fetch(_LOCK, uids)
    if len(rows) < len(uids):
        await db.execute(_KNOW, sorted(set(uids) - {row["study_instance_uid"] for row in rows}))
        rows = await db.fetch(_LOCK, uids)
    return {row["study_instance_uid"]: row for row in rows}


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as parameters for `unnest`: one list per column."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]
