"""Who the patients are, by what `patient-events` said and after merges (libs/survivors)."""

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from fj_events import PatientPhi

if TYPE_CHECKING:
    from fj_bus import Connection

# Holds the patient until the end, so that a new name meets every exam that was planned under the old one.
_HOLD: Final = """
INSERT INTO patient (patient_id, patient) SELECT id, '{}' FROM unnest($1::uuid[]) AS id ORDER BY id
ON CONFLICT (patient_id) DO UPDATE SET patient_id = excluded.patient_id
"""
_WHOSE: Final = """
SELECT survivor_of($1, coalesce((SELECT recorded_at FROM exam WHERE exam_key = $2), $3))
"""
_NAMED_AS: Final = """
SELECT named_as($1, coalesce((SELECT recorded_at FROM exam WHERE exam_key = $2), $3)) AS id
"""
_PATIENT: Final = """
SELECT CASE WHEN patient = '{}' THEN coalesce(survivor_details(patient_id), patient) ELSE patient END::text
  FROM patient WHERE patient_id = $1
"""
_SAVE_PATIENT: Final = """
INSERT INTO patient (patient_id, patient) VALUES ($1, $2)
ON CONFLICT (patient_id) DO UPDATE SET patient = excluded.patient
"""


async def hold(connection: "Connection", *patient_ids: UUID) -> None:
    """Wait until nobody else has one of these patients in hand, and keep them until the end."""
    await connection.execute(_HOLD, sorted(set(patient_ids)))


async def save(connection: "Connection", patient_id: UUID, patient: PatientPhi) -> None:
    """Keep who a patient is."""
    # With those whose exams will show it: they are held in one order everywhere.
    ids = await connection.fetch("SELECT ids_of($1) AS id", patient_id)
    await hold(connection, patient_id, *(row["id"] for row in ids))
    await connection.execute(_SAVE_PATIENT, patient_id, patient.model_dump_json(exclude_none=True))


async def named_as(connection: "Connection", patient_id: UUID, exam_key: str, said_at: datetime) -> frozenset[UUID]:
    """By which ids a modality may name the patient of an exam."""
    return frozenset(row["id"] for row in await connection.fetch(_NAMED_AS, patient_id, exam_key, said_at))


async def whose(
    connection: "Connection", patient_id: UUID, exam_key: str, said_at: datetime
) -> tuple[UUID, PatientPhi]:
    """Whose an exam is, held until the end together with whom its order names; a merge may be quicker than that."""
    asked = (_WHOSE, patient_id, exam_key, said_at)
    found: UUID = await connection.fetchval(*asked)
    await hold(connection, patient_id, found)
    survivor_id: UUID = await connection.fetchval(*asked)
    if survivor_id != found:
        await hold(connection, survivor_id)
    text = await connection.fetchval(_PATIENT, survivor_id)
    return survivor_id, PatientPhi.model_validate_json(text, extra="ignore")
