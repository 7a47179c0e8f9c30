"""Orders as studies recognise them: rows of `known_order` with what plans and registrations say beside them."""

from datetime import date, datetime
from typing import Final

from fj_events import CodedConcept, Identifier, OrderChanged, OrderPlaced, PatientPhi

from storage_service.adapters.sql import Database, Row
from storage_service.domain.keys import OrderKeys

BESIDE: Final = """
       survivor_of(o.patient_id, o.placed_at) AS whose, coalesce(exam.modalities, '{}') AS planned,
       coalesce(exam.step_ids, '{}') AS step_ids, coalesce(exam.stations, '{}') AS stations,
       ARRAY(SELECT k.patient FROM known_patient k WHERE k.patient_id = survivor_of(o.patient_id, o.placed_at)
              UNION SELECT v.survivor FROM survivor v WHERE v.survivor_id = survivor_of(o.patient_id, o.placed_at)
              UNION SELECT v.patient FROM survivor v WHERE v.survivor_id = survivor_of(o.patient_id, o.placed_at))
       AS announced,
       o.open AND NOT EXISTS (SELECT FROM study_route r WHERE r.order_id = o.order_id) AS free
"""
"""The columns beside those of an order `o` that `order_keys` reads; `exam` is its plan."""
_PUT: Final = """
INSERT INTO known_order (order_id, patient_id, accession_number, accession_issuer, study_instance_uid, modality, day,
                         placed_at, requested_procedure_id, scheduled_step_id, station, procedure, patient, open)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, true)
ON CONFLICT (order_id) DO UPDATE
   SET patient_id = excluded.patient_id, accession_number = excluded.accession_number,
       accession_issuer = excluded.accession_issuer, study_instance_uid = excluded.study_instance_uid,
       modality = excluded.modality, day = excluded.day, requested_procedure_id = excluded.requested_procedure_id,
       scheduled_step_id = excluded.scheduled_step_id, station = excluded.station, procedure = excluded.procedure,
       patient = excluded.patient
"""


async def put(db: Database, fact: OrderPlaced | OrderChanged, placed_at: datetime, day: date) -> None:
    """Keep by what an order can be recognised; whoever calls has the locks."""
    await db.execute(
        _PUT,
        fact.order_id,
        fact.patient_id,
        fact.accession_number.value,
        fact.accession_number.issuer,
        fact.study_instance_uid,
        fact.modality,
        day,
        placed_at,
        fact.requested_procedure_id,
        fact.scheduled_step_id,
        fact.station_ae_title,
        fact.procedure.model_dump_json(exclude_none=True),
        fact.patient.model_dump_json(exclude_none=True),
    )


def order_keys(row: Row) -> OrderKeys:
    """An order as a row of `known_order` with the columns `BESIDE` it."""
    chosen = [row["scheduled_step_id"]] if row["scheduled_step_id"] else []
    stations = {row["station"], *row["stations"]} - {None}
    told = ([row["patient"]] if row["patient"] else []) + row["announced"]
    return OrderKeys(
        order_id=row["order_id"],
        patient_id=row["patient_id"],
        whose=row["whose"],
        accession_number=Identifier(value=row["accession_number"], issuer=row["accession_issuer"]),
        study_instance_uid=row["study_instance_uid"],
        modalities=(row["modality"],) if row["modality"] else tuple(row["planned"]),
        day=row["day"],
        placed_at=row["placed_at"],
        open=row["free"],
        named=tuple(PatientPhi.model_validate_json(text, extra="ignore") for text in told),
        requested_procedure_id=row["requested_procedure_id"],
        step_ids=tuple(dict.fromkeys((*chosen, *row["step_ids"]))),
        stations=tuple(sorted(stations)),
        procedure=CodedConcept.model_validate_json(row["procedure"]) if row["procedure"] else None,
        ended=not row["open"],
    )
