"""A match and a change of its order's patient at one instant: neither sees the other's rows (decision 17).

Whoever changes a patient or an order has its lock (`sql.lock_known`) and then asks for that of each of its studies.
Whoever matches has the study's, and must not wait for the patient's: they would wait for each other.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from storage_service.adapters import current
from storage_service.adapters.sql import Database, Pool, lock_known, lock_studies

_TRY: Final = """
SELECT r.study_instance_uid, bool_and(pg_try_advisory_xact_lock(hashtextextended(known.id::text, 0))) AS held
  FROM study_route r JOIN known_order o USING (order_id)
       CROSS JOIN LATERAL (VALUES (o.patient_id), (o.order_id)) AS known (id)
 WHERE r.study_instance_uid = ANY($1::text[]) GROUP BY r.study_instance_uid
"""
_MARK: Final = "INSERT INTO second_look SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_NEXT: Final = """
SELECT l.study_instance_uid, o.patient_id, o.order_id
  FROM second_look l JOIN study_route r USING (study_instance_uid) LEFT JOIN known_order o ON o.order_id = r.order_id
 ORDER BY l.study_instance_uid LIMIT 1
"""
_TAKE: Final = "DELETE FROM second_look WHERE study_instance_uid = $1"


async def see_now_or_again(db: Database, study_instance_uids: Collection[str]) -> None:
    """Compare these studies, which the transaction has locked and moved, with what is known of patient and order.

    Where somebody is changing that at this instant, it is done once more when they have committed.
    """
    uids = list(study_instance_uids)
    if busy := [row["study_instance_uid"] for row in await db.fetch(_TRY, uids) if not row["held"]]:
        await db.execute(_MARK, sorted(busy))
    await current.see(db, uids)


class PostgresSecondLooks:
    """Looks again, as soon as whoever was changing something has committed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def look_next(self) -> bool:
        """Look at one study; False where there is none."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_NEXT)
            if row is None:
                return False
            uid, known = row["study_instance_uid"], (row["patient_id"], row["order_id"])
            await lock_known(connection, [one for one in known if isinstance(one, UUID)])
            await lock_studies(connection, [uid])
            await connection.execute(_TAKE, uid)
            await current.see(connection, [uid])
            return True
