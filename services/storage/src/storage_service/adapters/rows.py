"""Facts about instances as rows of the index."""

import json
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias, TypeVar

from fj_events import CodedConcept, InstancesStored, PatientPhi, StoredInstance

from storage_service.domain.manifest import Entry

K = TypeVar("K")
Values: TypeAlias = tuple[object, ...]


def merged(rows: Iterable[tuple[K, Values]]) -> dict[K, Values]:
    """One row per key: of each column the first value that is there."""
    found: dict[K, Values] = {}
    for key, row in rows:
        before = found.get(key, row)
        found[key] = tuple(new if old is None else old for old, new in zip(before, row, strict=True))
    return found


def route_values(fact: InstancesStored) -> Values:
    """Site, accession number and its issuer, patient id, who sent it."""
    accession = fact.accession_number
    number = (accession.value, accession.issuer) if accession else (None, None)
    return fact.site, *number, fact.patient_id, fact.calling_ae_title


def study_values(fact: InstancesStored) -> Values:
    """The columns of `study`, from the time on."""
    accession, patient, study = fact.accession_number, fact.patient, fact.study
    return (
        study.study_time,
        accession.value if accession else None,
        accession.issuer if accession else None,
        study.study_id,
        study.description,
        study.referring_physician,
        codes_value(study.procedure_codes or ()),
        codes_value(study.requested_procedure_codes or ()),
        *patient_values(patient),
    )


PATIENT_COLUMNS: Final = {
    "patient_number": "text",
    "patient_issuer": "text",
    "patient_name": "text",
    "patient_ideographic": "text",
    "patient_phonetic": "text",
    "patient_birth_date": "date",
    "patient_sex": "text",
}


def patient_values(patient: PatientPhi) -> Values:
    """The columns of `study` that say who the patient is."""
    number = patient.id
    return (
        number.value if number else None,
        number.issuer if number else None,
        alphabetic(patient),
        patient.ideographic_name,
        patient.phonetic_name,
        patient.birth_date,
        patient.sex,
    )


def codes_value(codes: Sequence[CodedConcept]) -> str | None:
    """As the JSON of a column."""
    return json.dumps([code.model_dump(exclude_none=True) for code in codes]) if codes else None


def series_values(fact: InstancesStored) -> Values:
    """The columns of `series`, from the number on."""
    series = fact.series
    return (
        series.number,
        series.modality,
        series.description,
        series.body_part,
        series.laterality,
        series.protocol_name,
        series.station_name,
        series.performed_step_uid,
        series.performed_step_start_date,
        series.performed_step_start_time,
        series.requested_procedure_id,
        series.scheduled_step_id,
    )


def entry_of(stored: StoredInstance) -> Entry:
    """As a manifest has it."""
    return Entry(
        stored.sop_instance_uid,
        stored.sop_class_uid,
        stored.transfer_syntax_uid,
        stored.number,
        stored.rows,
        stored.columns,
        stored.frames,
        stored.offset,
        stored.length,
        stored.data_offset,
        bytes.fromhex(stored.sha256),
    )


def alphabetic(patient: PatientPhi) -> str | None:
    """The alphabetic component group of a person name (PS3.5 section 6.2.1.1)."""
    parts = (patient.family_name, patient.given_name, patient.middle_name, patient.prefix, patient.suffix)
    return "^".join(part or "" for part in parts).rstrip("^") or None
