"""Exams that are near, and the earlier studies of their patients."""

from datetime import datetime
from typing import Final

from storage_service.adapters.sql import Pool
from storage_service.domain.priors import Planned, Prior, PriorPack

# An order that is not known yet names no patient: its exam is looked at when it is.
_NEAR: Final = """
SELECT e.exam_key, e.starts_at FROM exam e JOIN known_order USING (order_id)
 WHERE e.state = 'SCHEDULED' AND e.starts_at > $1 AND e.starts_at < $2 ORDER BY e.starts_at, e.exam_key
"""
_PLANNED: Final = """
SELECT e.exam_key, e.order_id, e.study_instance_uid, e.modalities,
       concat_ws(' ', o.procedure ->> 'text', o.procedure ->> 'code') AS procedure
  FROM exam e JOIN known_order o USING (order_id) WHERE e.exam_key = $1
"""
_OF_PATIENT: Final = """
WITH whose AS (
    SELECT ARRAY(SELECT names_of(ARRAY(SELECT persons_of(patient_id, placed_at)))) AS ids
      FROM known_order WHERE order_id = $1
), found AS (
    SELECT r.study_instance_uid, r.study_date FROM study_route r, whose
     WHERE r.patient_id = ANY(whose.ids) AND r.received_at IS NOT NULL
     UNION SELECT r.study_instance_uid, r.study_date
             FROM whose, known_order o JOIN study_route r USING (order_id)
            WHERE o.patient_id = ANY(whose.ids) AND r.received_at IS NOT NULL
)
SELECT s.study_date, s.modalities,
       ARRAY(SELECT DISTINCT e.body_part_examined FROM series e
              WHERE e.study_instance_uid = s.study_instance_uid AND e.body_part_examined IS NOT NULL) AS body_parts,
       ARRAY(SELECT ROW (p.bucket, p.key, p.size) FROM pack p
              WHERE p.study_instance_uid = s.study_instance_uid ORDER BY p.key) AS packs
  FROM found JOIN study s USING (study_instance_uid, study_date)
 WHERE s.study_instance_uid <> $2 AND s.number_of_instances > 0
 ORDER BY s.study_date DESC LIMIT 200
"""


class PostgresPriors:
    """See `storage_service.ports.priors.Priors`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def near(self, after: datetime, before: datetime) -> dict[str, datetime]:
        return {row["exam_key"]: row["starts_at"] for row in await self._pool.fetch(_NEAR, after, before)}

    async def planned(self, exam_key: str) -> Planned | None:
        row = await self._pool.fetchrow(_PLANNED, exam_key)
        return Planned(**{**row, "modalities": tuple(row["modalities"])}) if row else None

    async def of(self, exam: Planned) -> list[Prior]:
        return [
            Prior(
                study_date=row["study_date"],
                modalities=tuple(row["modalities"]),
                body_parts=tuple(row["body_parts"]),
                packs=tuple(PriorPack(*pack) for pack in row["packs"]),
            )
            for row in await self._pool.fetch(_OF_PATIENT, exam.order_id, exam.study_instance_uid)
        ]
