"""What several adapters write alike."""

from datetime import date
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

# Quoted: the classes of asyncpg are generic in their stubs alone.
Database: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

UNDATED: Final = date.min
"""The study date of a study that has none: a partition key cannot be absent."""

_KNOW: Final = "INSERT INTO study_route (study_instance_uid) VALUES ($1) ON CONFLICT DO NOTHING"
_LOCK: Final = "SELECT * FROM study_route WHERE study_instance_uid = $1 FOR UPDATE"


async def lock_study(db: Database, study_instance_uid: str) -> "asyncpg.Record":
    """Lock the routing row of a study, made now if nobody has named it before.

    A row that is there before its first image lets the first order and the first image of a study wait for each other.
    """
    row = await db.fetchrow(_LOCK, study_instance_uid)
    if row is None:
        await db.execute(_KNOW, study_instance_uid)
        row = await db.fetchrow(_LOCK, study_instance_uid)
    if row is None:  # nothing deletes routing rows
        raise LookupError(study_instance_uid)
    return row
