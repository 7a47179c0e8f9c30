"""Whom the patient's number on images is of, by all names that registrations and merges give that person."""

from collections.abc import Collection
from typing import Final

from fj_events import PatientPhi

from storage_service.adapters.sql import Connected

_REGISTERED: Final = """
SELECT r.study_instance_uid, array_agg(named.patient) AS named
  FROM study_route r CROSS JOIN LATERAL (SELECT survivor_of(r.patient_id, r.received_at) AS whose) w
       CROSS JOIN LATERAL (
           SELECT k.patient FROM known_patient k WHERE k.patient_id = w.whose
            UNION SELECT v.survivor FROM survivor v WHERE v.survivor_id = w.whose
            UNION SELECT v.patient FROM survivor v WHERE v.survivor_id = w.whose) named
 WHERE r.study_instance_uid = ANY($1::text[]) GROUP BY r.study_instance_uid
"""


async def registered(db: Connected, study_instance_uids: Collection[str]) -> dict[str, list[PatientPhi]]:
    """By study; one whose number nobody has announced is not among them."""
    return {
        row["study_instance_uid"]: [PatientPhi.model_validate_json(one, extra="ignore") for one in row["named"]]
        for row in await db.fetch(_REGISTERED, list(study_instance_uids))
    }
