"""What was matched while two patients counted as one, in PostgreSQL."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from fj_events import PatientPhi

from storage_service.adapters.orders import BESIDE, order_keys
from storage_service.adapters.sql import Database, lock_known
from storage_service.domain.keys import OrderKeys

_MATCHED: Final = """
WITH names AS MATERIALIZED (
    SELECT names_of(ARRAY(SELECT DISTINCT persons_of(each, now()) FROM unnest($1::uuid[]) AS each)) AS id
)
SELECT study_instance_uid FROM study_route
 WHERE received_at IS NOT NULL AND order_id IS NOT NULL AND matched_by <> 'person'
   AND patient_id = ANY(ARRAY(SELECT id FROM names))
UNION
SELECT r.study_instance_uid FROM names JOIN known_order o ON o.patient_id = names.id JOIN study_route r USING (order_id)
 WHERE r.received_at IS NOT NULL AND r.matched_by <> 'person'
"""
_ORDERS: Final = f"""
SELECT DISTINCT ON (s.study_instance_uid) s.study_instance_uid AS of_study, o.*, {BESIDE}
  FROM study_route s JOIN known_order o USING (order_id) LEFT JOIN exam ON exam.order_id = o.order_id
 WHERE s.study_instance_uid = ANY($1::text[])
"""
_REGISTERED: Final = "SELECT patient FROM known_patient WHERE patient_id = ANY($1::uuid[]) ORDER BY patient_id"


class PostgresPartings:
    """See `storage_service.ports.parting.Partings`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def matched(self, patient_ids: Collection[UUID]) -> list[str]:
        await lock_known(self._db, patient_ids)
        return [row["study_instance_uid"] for row in await self._db.fetch(_MATCHED, list(patient_ids))]

    async def orders(self, study_instance_uids: Collection[str]) -> dict[str, OrderKeys]:
        return {row["of_study"]: order_keys(row) for row in await self._db.fetch(_ORDERS, list(study_instance_uids))}

    async def registered(self, patient_ids: Collection[UUID]) -> list[PatientPhi]:
        rows = await self._db.fetch(_REGISTERED, list(patient_ids))
        return [PatientPhi.model_validate_json(row["patient"], extra="ignore") for row in rows]
