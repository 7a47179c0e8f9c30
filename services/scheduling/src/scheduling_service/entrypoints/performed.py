"""Attribute lists of MPPS in canonical terms. What cannot be understood is refused, attribute by attribute."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fj_dicom import General, Name, NameGroup, Refused, Status, day, item, name, text
from fj_events import CodedConcept, Identifier, PatientPhi, PerformedSeries, Sex, patient_key
from fj_runtime import Site, Sites
from pydicom import Dataset
from pydicom.datadict import dictionary_description
from pydicom.sequence import Sequence

from scheduling_service.domain.errors import BadRange
from scheduling_service.domain.performed import Change, PerformedStatus, PerformedStep, Reference
from scheduling_service.domain.period import hours

REQUIRED: Final = (
    "ScheduledStepAttributesSequence",
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepStatus",
    "Modality",
)
"""Type 1 in an N-CREATE (PS3.4 Table F.7.2-1). Missing type 2 attributes are read as empty ones."""
INSTANCES: Final = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")
CODES: Final = ("CodeValue", "LongCodeValue", "URNCodeValue")
SEXES: Final[Mapping[str, Sex]] = MappingProxyType({"M": Sex.MALE, "F": Sex.FEMALE, "O": Sex.OTHER})
NOBODY: Final = Name(NameGroup(), NameGroup(), NameGroup())
UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")


class Translator:
    """Reads attribute lists with the time zone and the issuers of the caller's site."""

    def __init__(self, sites: Sites, namespace: UUID) -> None:
        self._sites = sites
        self._namespace = namespace

    def created(self, sop_instance_uid: str, site: str, attributes: Dataset) -> PerformedStep:
        """What an N-CREATE says. Raises Refused: 0120H, 0121H, 0106H, 0117H."""
        if not _is_uid(sop_instance_uid):
            raise Refused(Status(General.INVALID_SOP_INSTANCE, "Affected SOP Instance UID is no UID"))
        for keyword in REQUIRED:
            _check_value(attributes, keyword)
        if _status(attributes) is not PerformedStatus.IN_PROGRESS:
            raise _invalid("PerformedProcedureStepStatus")
        here = self._site(site)
        patient = _patient(attributes, here)
        modality = _need(attributes, "Modality")
        return PerformedStep(
            sop_instance_uid=sop_instance_uid,
            site=here.name,
            status=PerformedStatus.IN_PROGRESS,
            station_ae_title=_need(attributes, "PerformedStationAETitle"),
            modality=modality,
            started_at=_moment(attributes, "PerformedProcedureStepStart", here),
            references=tuple(map(_reference, _items(attributes, "ScheduledStepAttributesSequence"))),
            patient_id=patient_key(self._namespace, patient.id.issuer, patient.id.value) if patient.id else None,
            patient=patient,
            series=tuple(_series(attributes)),
            performed_step_id=text(attributes, "PerformedProcedureStepID"),
            station_name=text(attributes, "PerformedStationName"),
            location=text(attributes, "PerformedLocation"),
            description=_description(attributes),
            procedure=_codes(attributes, "ProcedureCodeSequence"),
            protocol=_codes(attributes, "PerformedProtocolCodeSequence"),
        )

    def changed(self, site: str, attributes: Dataset) -> Change:
        """What an N-SET says; attributes that only an N-CREATE may set are left alone. Raises Refused: 0121H, 0106H."""
        reason = item(attributes, "PerformedProcedureStepDiscontinuationReasonCodeSequence")
        ended = text(attributes, "PerformedProcedureStepEndDate") is not None
        return Change(
            status=_status(attributes) if "PerformedProcedureStepStatus" in attributes else None,
            ended_at=_moment(attributes, "PerformedProcedureStepEnd", self._site(site)) if ended else None,
            series=tuple(_series(attributes)) if "PerformedSeriesSequence" in attributes else None,
            discontinuation_reason=None if reason is None else _code(reason),
            description=_description(attributes),
            procedure=_codes(attributes, "ProcedureCodeSequence") or None,
            protocol=_codes(attributes, "PerformedProtocolCodeSequence") or None,
        )

    def _site(self, name: str) -> Site:
        return next((site for site in self._sites if site.name == name), self._sites.main)


def _items(dataset: Dataset, keyword: str) -> Sequence:
    value = dataset.get(keyword)
    return value if isinstance(value, Sequence) else Sequence()


def _check_value(dataset: Dataset, keyword: str) -> None:
    """Raises Refused unless a type 1 attribute has a value (PS3.7 C.5.13, C.5.14)."""
    words = dictionary_description(keyword)
    if keyword not in dataset:
        raise Refused(Status(General.MISSING_ATTRIBUTE, f"{words} is missing"))
    if text(dataset, keyword) is None:
        raise Refused(Status(General.MISSING_ATTRIBUTE_VALUE, f"{words} is empty"))


def _need(dataset: Dataset, keyword: str) -> str:
    _check_value(dataset, keyword)
    return text(dataset, keyword) or ""


def _need_uid(dataset: Dataset, keyword: str) -> str:
    uid = _need(dataset, keyword)
    if not _is_uid(uid):
        raise _invalid(keyword)
    return uid


def _is_uid(text: str) -> bool:
    """PS3.5 section 9.1."""
    return len(text) <= 64 and UID.fullmatch(text) is not None


def _invalid(keyword: str) -> Refused:
    return Refused(Status(General.INVALID_ATTRIBUTE_VALUE, f"{dictionary_description(keyword)} has an invalid value"))


def _status(dataset: Dataset) -> PerformedStatus:
    try:
        return PerformedStatus(_need(dataset, "PerformedProcedureStepStatus"))
    except ValueError:
        raise _invalid("PerformedProcedureStepStatus") from None


def _moment(dataset: Dataset, prefix: str, site: Site) -> datetime:
    """Date and time of `<prefix>Date` and `<prefix>Time`; times of devices are their site's."""
    date = day(dataset, f"{prefix}Date")
    if date is None:
        raise _invalid(f"{prefix}Date")
    try:
        clock = hours(text(dataset, f"{prefix}Time") or "00")
    except BadRange:
        raise _invalid(f"{prefix}Time") from None
    if clock.is_range or clock.first is None:
        raise _invalid(f"{prefix}Time")
    return site.localize(datetime.combine(date, clock.first))


def _reference(attributes: Dataset) -> Reference:
    issuer = item(attributes, "IssuerOfAccessionNumberSequence")
    studies = _items(attributes, "ReferencedStudySequence")
    return Reference(
        study_instance_uid=_need_uid(attributes, "StudyInstanceUID"),
        requested_study_uids=tuple(_need_uid(study, "ReferencedSOPInstanceUID") for study in studies),
        accession_number=text(attributes, "AccessionNumber"),
        accession_issuer=None if issuer is None else text(issuer, "LocalNamespaceEntityID"),
        step_id=text(attributes, "ScheduledProcedureStepID"),
    )


def _series(attributes: Dataset) -> Iterator[PerformedSeries]:
    for series in _items(attributes, "PerformedSeriesSequence"):
        instances = tuple(
            _need_uid(instance, "ReferencedSOPInstanceUID")
            for keyword in INSTANCES
            for instance in _items(series, keyword)
        )
        yield PerformedSeries(
            series_instance_uid=_need_uid(series, "SeriesInstanceUID"),
            modality=text(series, "Modality") or text(attributes, "Modality"),
            description=text(series, "SeriesDescription"),
            instances=instances,
            number_of_instances=len(instances),
        )


def _description(attributes: Dataset) -> str | None:
    what = text(attributes, "PerformedProcedureStepDescription")
    return what or text(attributes, "PerformedProcedureTypeDescription")


def _codes(attributes: Dataset, keyword: str) -> tuple[CodedConcept, ...]:
    return tuple(filter(None, map(_code, _items(attributes, keyword))))


def _code(concept: Dataset) -> CodedConcept | None:
    code = next((found for keyword in CODES if (found := text(concept, keyword))), None)
    if code is None:
        return None
    return CodedConcept(code=code, text=text(concept, "CodeMeaning"), system=text(concept, "CodingSchemeDesignator"))


def _patient(dataset: Dataset, site: Site) -> PatientPhi:
    number = text(dataset, "PatientID")
    issuer = text(dataset, "IssuerOfPatientID") or site.issuers.patient
    known = name(dataset, "PatientName") or NOBODY
    return PatientPhi(
        id=Identifier(value=number, issuer=issuer) if number else None,
        family_name=known.alphabetic.family or None,
        given_name=known.alphabetic.given or None,
        middle_name=known.alphabetic.middle or None,
        prefix=known.alphabetic.prefix or None,
        suffix=known.alphabetic.suffix or None,
        ideographic_name=str(known.ideographic) or None,
        phonetic_name=str(known.phonetic) or None,
        birth_date=day(dataset, "PatientBirthDate"),
        sex=SEXES.get(text(dataset, "PatientSex") or ""),
    )
