"""Who the patient of a study is, in the columns that are searched: the survivor of a merge, else as the images say."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from fj_events import PatientPhi

from storage_service.adapters.rows import PATIENT_COLUMNS, patient_values
from storage_service.adapters.sql import Database, columns, lock_patients, lock_studies

_OF: Final = "SELECT study_instance_uid FROM study_route WHERE patient_id = ANY($1::uuid[]) AND received_at IS NOT NULL"
_UNDER: Final = """
SELECT r.study_instance_uid FROM study_route r JOIN survivor USING (patient_id) WHERE r.study_instance_uid = ANY($1)
"""
_WHO: Final = """
SELECT study_instance_uid, study_date, s.patient,
       CASE WHEN survivor_of(r.patient_id, r.received_at) <> r.patient_id THEN v.survivor END AS survivor
  FROM study_route r JOIN study s USING (study_instance_uid, study_date) LEFT JOIN survivor v USING (patient_id)
 WHERE r.study_instance_uid = ANY($1::text[])
"""
_NAME: Final = f"""
UPDATE study s SET {", ".join(f"{name} = n.{name}" for name in PATIENT_COLUMNS)}
  FROM unnest($1::text[], $2::date[],
              {", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(PATIENT_COLUMNS.values(), 3))})
       AS n (uid, day, {", ".join(PATIENT_COLUMNS)})
 WHERE s.study_instance_uid = n.uid AND s.study_date = n.day
"""


async def follow(db: Database, patient_ids: Collection[UUID], moved: UUID) -> None:
    """After the row of a number has changed: the studies under it get their patient anew."""
    await lock_patients(db, patient_ids)
    uids = [row["study_instance_uid"] for row in await db.fetch(_OF, [moved])]
    await lock_studies(db, uids)
    await _name(db, uids)


async def name_new(db: Database, study_instance_uids: Collection[str]) -> None:
    """Images came: where they name a number that was merged away, their study is the survivor's."""
    rows = await db.fetch(_UNDER, list(study_instance_uids))
    await _name(db, [row["study_instance_uid"] for row in rows])


async def _name(db: Database, uids: Collection[str]) -> None:
    if not uids:
        return
    rows = [
        (row["study_instance_uid"], row["study_date"], *patient_values(_patient(row["survivor"] or row["patient"])))
        for row in await db.fetch(_WHO, list(uids))
    ]
    await db.execute(_NAME, *columns(rows, 2 + len(PATIENT_COLUMNS)))


def _patient(text: str) -> PatientPhi:
    return PatientPhi.model_validate_json(text, extra="ignore")
