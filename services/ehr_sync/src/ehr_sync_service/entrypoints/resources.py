"""What is known, as FHIR R4 resources."""

from hashlib import sha256
from uuid import UUID

import fj_fhir
from fj_events import Identifier, PatientPhi, Priority, Sex, Staff
from fj_fhir import Coding, HumanName, Json, Meta, Reference, Uid

from ehr_sync_service.domain.records import (
    Found,
    OrderRecord,
    PatientRecord,
    Record,
    ReportRecord,
    StudyRecord,
    StudyStatus,
)

_GENDERS = {Sex.MALE: "male", Sex.FEMALE: "female", Sex.OTHER: "other", Sex.UNKNOWN: "unknown"}
_PRIORITIES = {Priority.STAT: "stat", Priority.ASAP: "asap", Priority.URGENT: "urgent", Priority.ROUTINE: "routine"}
_REPORT = Coding("18748-4", "LN", "Diagnostic imaging study")


def resource_of(found: Found, dicomweb: str) -> Json:
    """The resource. `dicomweb` is the root of DICOMweb as the client reaches it."""
    record = found.record
    if isinstance(record, PatientRecord):
        return _patient(record, found)
    if isinstance(record, OrderRecord):
        return _service_request(record, found)
    if isinstance(record, StudyRecord):
        return _imaging_study(record, found, dicomweb)
    return _diagnostic_report(record, found)


def _patient(record: PatientRecord, found: Found) -> Json:
    phi = record.patient
    address = phi.address
    return fj_fhir.Patient(
        id=str(record.patient_id),
        meta=_meta(record, found, record.patient_id),
        replaced_by=str(found.whose) if found.moved_from(record.patient_id) else None,
        replaces=tuple(map(str, found.replaces)),
        see_also=tuple(map(str, found.linked)),
        identifiers=tuple(_number(number, "MR") for number in (phi.id, *phi.other_ids) if number),
        name=_name(phi),
        gender=_GENDERS.get(phi.sex) if phi.sex else None,
        birth_date=phi.birth_date,
        address=fj_fhir.Address(
            line=address.line,
            city=address.city,
            state=address.state,
            postal_code=address.postal_code,
            country=address.country,
        )
        if address
        else None,
        phone=phi.phone,
    ).to_json()


def _service_request(record: OrderRecord, found: Found) -> Json:
    details = record.details
    typed = (
        (details.placer_order_number, "PLAC"),
        (details.filler_order_number, "FILL"),
        (details.accession_number, "ACSN"),
    )
    numbers = [_number(number, code) for number, code in typed if number]
    procedure = details.procedure
    return fj_fhir.ServiceRequest(
        id=str(record.order_id),
        meta=_meta(record, found, details.patient_id),
        identifiers=(*numbers, Uid(details.study_instance_uid)),
        status=record.status,
        code=Coding(procedure.code, procedure.system, procedure.text),
        subject=_subject(found, details.patient_id, details.patient),
        priority=_PRIORITIES.get(details.priority, "routine"),
        modality=details.modality,
        occurrence=details.asked_for,
        authored_on=record.placed_at,
        requester=_practitioner(details.ordering_provider),
        reason=details.clinical.reason,
        notes=tuple(filter(None, (details.clinical.history, details.clinical.notes))),
    ).to_json()


def _imaging_study(record: StudyRecord, found: Found, dicomweb: str) -> Json:
    order = found.order
    procedure = order.details.procedure if order else None
    accession = record.accession_number
    named = order.details.patient if order else record.patient
    unconfirmed = Reference("Patient", display="unconfirmed") if record.contradicted_by else None
    return fj_fhir.ImagingStudy(
        id=record.study_instance_uid,
        meta=_meta(record, found, record.patient_id),
        identifiers=(Uid(record.study_instance_uid), *([_number(accession, "ACSN")] if accession else [])),
        status=record.status,
        subject=unconfirmed or _subject(found, record.patient_id, named),
        modalities=record.modalities,
        started=record.study_date,
        based_on=(Reference("ServiceRequest", str(record.order_id)),) if record.order_id else (),
        number_of_series=record.number_of_series,
        number_of_instances=record.number_of_instances,
        procedure=Coding(procedure.code, procedure.system, procedure.text) if procedure else None,
        description=record.description,
        series=tuple(
            fj_fhir.Series(
                uid=one.series_instance_uid,
                modality=one.modality,
                number=one.number,
                description=one.description,
                body_part=one.body_part,
                number_of_instances=one.number_of_instances,
            )
            for one in record.series
        ),
        dicomweb=None if record.status == StudyStatus.CANCELLED else dicomweb,
    ).to_json()


def _diagnostic_report(record: ReportRecord, found: Found) -> Json:
    order = found.order
    procedure = order.details.procedure if order else None
    patient_id = record.patient_id or (order.details.patient_id if order else None)
    typed = ((record.placer_order_number, "PLAC"), (record.accession_number, "ACSN"))
    return fj_fhir.DiagnosticReport(
        id=str(record.report_id),
        meta=_meta(record, found, patient_id),
        identifiers=tuple(_number(number, code) for number, code in typed if number),
        status=record.status,
        code=Coding(procedure.code, procedure.system, procedure.text) if procedure else _REPORT,
        subject=_subject(found, patient_id, order.details.patient if order else None),
        based_on=(Reference("ServiceRequest", str(record.order_id)),) if record.order_id else (),
        imaging_study=tuple(Reference("ImagingStudy", uid) for uid in record.study_instance_uids),
        issued=record.issued_at,
        interpreter=_practitioner(record.author),
        conclusion=record.content.impression,
        text=record.content.text,
    ).to_json()


def _meta(record: Record, found: Found, patient_id: UUID | None) -> Meta:
    """What shows its order's data changes when the order does, and with a merge everything that names the patient.

    The Patient itself also changes with those whom it points to.
    """
    parts, moments = [str(record.version)], [record.updated_at]
    if found.order is not None:
        parts.append(str(found.order.version))
        moments.append(found.order.updated_at)
    if found.moved_from(patient_id):
        parts.append(f"{found.whose}"[:8])
    if others := (*found.replaces, *found.linked):
        parts.append(sha256(b"".join(each.bytes for each in others)).hexdigest()[:8])
    return Meta(".".join(parts), max(moments))


def _subject(found: Found, patient_id: UUID | None, phi: PatientPhi | None) -> Reference:
    """The survivor as registered, where a merge has made it theirs; else as the facts name the patient."""
    if not found.moved_from(patient_id):
        return _of_patient(patient_id, phi)
    return _of_patient(found.whose, found.patient.patient if found.patient else None)


def _of_patient(patient_id: object, phi: PatientPhi | None) -> Reference:
    number = phi.id if phi else None
    return Reference(
        "Patient",
        str(patient_id) if patient_id else None,
        identifier=_number(number, "MR") if number else None,
        display=phi.display or None if phi else None,
    )


def _name(phi: PatientPhi) -> HumanName:
    given = tuple(name for name in (phi.given_name, phi.middle_name) if name)
    return HumanName(family=phi.family_name, given=given, prefix=phi.prefix, suffix=phi.suffix)


def _number(number: Identifier, type_code: str) -> fj_fhir.Identifier:
    return fj_fhir.Identifier(number.value, number.issuer, type_code)


def _practitioner(person: Staff | None) -> Reference | None:
    if person is None:
        return None
    number = fj_fhir.Identifier(person.id) if person.id else None
    return Reference("Practitioner", identifier=number, display=person.display or None)
