"""A study with where it belongs, as a row: read and written as a whole."""

from typing import Final

from fj_events import Identifier, PatientPhi

from storage_service.adapters.sql import UNDATED, Pool, Row
from storage_service.domain.assembly import Progress
from storage_service.domain.keys import StudyKeys
from storage_service.domain.study import Study

GET: Final = """
SELECT r.*, s.study_description, s.modalities, s.number_of_series, s.number_of_instances, s.patient,
       ARRAY(SELECT requested_procedure_id FROM series e WHERE e.study_instance_uid = r.study_instance_uid
                AND requested_procedure_id IS NOT NULL) AS procedure_ids,
       ARRAY(SELECT scheduled_step_id FROM series e WHERE e.study_instance_uid = r.study_instance_uid
                AND scheduled_step_id IS NOT NULL) AS step_ids,
       ARRAY(SELECT persons_of(r.patient_id, r.received_at)) AS patient_ids
  FROM study_route r JOIN study s USING (study_instance_uid, study_date)
 WHERE r.study_instance_uid = ANY($1::text[]) ORDER BY r.study_instance_uid
"""
KEPT: Final = {
    "order_id": "uuid",
    "order_patient_id": "uuid",
    "matched_by": "text",
    "match_reason": "text",
    "unmatched_reason": "text",
    "contradicted_by": "text",
    "unconfirmed_order_id": "uuid",
    "patient_confirmed": "boolean",
    "available_at": "timestamptz",
    "completeness": "text",
    "completeness_reason": "text",
    "due_at": "timestamptz",
}
SAVE: Final = f"""
UPDATE study_route r SET {", ".join(f"{name} = n.{name}" for name in KEPT)}
  FROM unnest($1::text[], {", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(KEPT.values(), 2))})
       AS n (uid, {", ".join(KEPT)}) JOIN study_route old ON old.study_instance_uid = n.uid
 WHERE r.study_instance_uid = n.uid
RETURNING n.uid, (old.order_id, old.matched_by, old.contradicted_by)
          IS DISTINCT FROM (n.order_id, n.matched_by, n.contradicted_by) AS moved,
          old.contradicted_by IS NOT NULL AND n.contradicted_by IS NULL AND old.available_at IS NOT NULL AS cleared
"""


async def keys_of(pool: Pool, study_instance_uid: str) -> StudyKeys | None:
    """What the images of a study say about where they belong, outside of any transaction; None where none is here."""
    row = await pool.fetchrow(GET, [study_instance_uid])
    return study_of(row).keys if row else None


def kept(study: Study) -> list[object]:
    """The parameters of `SAVE`."""
    values = {name: getattr(study, name) for name in KEPT}
    return [*(values | {"contradicted_by": " ".join(study.contradicted_by) or None}).values()]


def study_of(row: Row) -> Study:
    """A study, of a row of `GET`."""
    return Study(
        study_instance_uid=row["study_instance_uid"],
        site=row["site"],
        study_date=None if row["study_date"] == UNDATED else row["study_date"],
        description=row["study_description"],
        modalities=tuple(row["modalities"]),
        number_of_series=row["number_of_series"],
        number_of_instances=row["number_of_instances"],
        accession_number=_identifier(row["accession_number"], row["accession_issuer"]),
        patient_id=row["patient_id"],
        patient_ids=frozenset(row["patient_ids"]),
        patient=PatientPhi.model_validate_json(row["patient"], extra="ignore"),
        received_at=row["received_at"],
        progress=Progress(last_instance_at=row["last_instance_at"], heard_at=row["heard_at"]),
        requested_procedure_ids=frozenset(row["procedure_ids"]),
        step_ids=frozenset(row["step_ids"]),
        station=row["calling_ae_title"],
        **{name: row[name] for name in KEPT} | {"contradicted_by": tuple((row["contradicted_by"] or "").split())},
    )


def _identifier(value: str | None, issuer: str | None) -> Identifier | None:
    return Identifier(value=value, issuer=issuer or "") if value else None
