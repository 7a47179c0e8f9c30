"""From the head of a data set to the terms of the facts."""

from collections.abc import Iterator
from typing import Final

from fj_dicom import BadDataSet, TagScanner, day, integer, item, name, read_attributes, text, whole_number
from fj_events import CodedConcept, Identifier, PatientPhi, SeriesAttributes, Sex, StudyAttributes
from pydicom import Dataset

from fj_packs.pack import Defaults, Identity, Member, Place, SeriesHead, is_uid

META_OFFSET: Final = 132
"""Preamble and prefix before the file meta information (PS3.10 7.1)."""
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
TRANSFER_SYNTAX_UID: Final = 0x00020010
SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
INSTANCE_NUMBER: Final = 0x00200013
NUMBER_OF_FRAMES: Final = 0x00280008
ROWS: Final = 0x00280010
COLUMNS: Final = 0x00280011

HEAD_MAX: Final = 4 * 1024 * 1024
"""So much of a data set is decoded for its attributes, bytes."""
CODES_MAX: Final = 16
"""Of one sequence; further ones are not told."""
TEXT_MAX: Final = 1024
"""Longer text is cut: the longest that the standard allows in these attributes is 324 characters (PN)."""

_MEMBER_TAGS: Final = (
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    SERIES_INSTANCE_UID,
    INSTANCE_NUMBER,
    NUMBER_OF_FRAMES,
    ROWS,
    COLUMNS,
)
_HEAD_KEYWORDS: Final = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "OtherPatientIDsSequence",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ProcedureCodeSequence",
    "ReferringPhysicianName",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "SeriesNumber",
    "Modality",
    "SeriesDescription",
    "BodyPartExamined",
    "Laterality",
    "ProtocolName",
    "StationName",
    "ReferencedPerformedProcedureStepSequence",
    "RequestedProcedureCodeSequence",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "RequestAttributesSequence",
)


def read_member(place: Place, sha256: str, content: memoryview) -> Member:
    """The instance in a Part 10 file, of which the data set has this digest. Raises BadDataSet."""
    meta = TagScanner(EXPLICIT_VR_LITTLE_ENDIAN, (TRANSFER_SYNTAX_UID,))
    meta.feed(content[META_OFFSET : place.data_offset])
    transfer_syntax = meta.text(TRANSFER_SYNTAX_UID)
    tags = TagScanner(transfer_syntax, _MEMBER_TAGS)
    tags.feed(content[place.data_offset :])
    identity = Identity(
        sop_class_uid=tags.text(SOP_CLASS_UID),
        sop_instance_uid=tags.text(SOP_INSTANCE_UID),
        series_instance_uid=tags.text(SERIES_INSTANCE_UID),
        study_instance_uid=tags.text(STUDY_INSTANCE_UID),
        transfer_syntax_uid=transfer_syntax,
    )
    return Member(
        place=place,
        sha256=sha256,
        identity=identity,
        number=integer(tags.text(INSTANCE_NUMBER)),
        rows=tags.number(ROWS),
        columns=tags.number(COLUMNS),
        frames=integer(tags.text(NUMBER_OF_FRAMES)),
    )


def read_head(member: Member, content: memoryview, defaults: Defaults) -> SeriesHead:
    """What a data set says above the level of the instance; nothing at all where it does not decode."""
    data = content[member.place.data_offset :][:HEAD_MAX]
    try:
        dataset = read_attributes(data, member.identity.transfer_syntax_uid, _HEAD_KEYWORDS)
    except BadDataSet:
        dataset = Dataset()
    return SeriesHead(
        patient=_patient(dataset, defaults),
        accession_number=_accession(dataset, defaults),
        study=_study(dataset),
        series=_series(dataset, defaults),
    )


def _patient(dataset: Dataset, defaults: Defaults) -> PatientPhi:
    written = name(dataset, "PatientName")
    alphabetic = written.alphabetic if written else None
    sex = _text(dataset, "PatientSex")
    return PatientPhi(
        id=_patient_number(dataset, defaults),
        other_ids=tuple(_other_numbers(dataset, defaults)),
        family_name=_cut(alphabetic.family) if alphabetic else None,
        given_name=_cut(alphabetic.given) if alphabetic else None,
        middle_name=_cut(alphabetic.middle) if alphabetic else None,
        prefix=_cut(alphabetic.prefix) if alphabetic else None,
        suffix=_cut(alphabetic.suffix) if alphabetic else None,
        ideographic_name=_cut(str(written.ideographic)) if written else None,
        phonetic_name=_cut(str(written.phonetic)) if written else None,
        birth_date=day(dataset, "PatientBirthDate"),
        sex=Sex(sex) if sex else None,
    )


def _patient_number(dataset: Dataset, defaults: Defaults) -> Identifier | None:
    number = _text(dataset, "PatientID")
    if number is None:
        return None
    return Identifier(value=number, issuer=_text(dataset, "IssuerOfPatientID") or defaults.patient_id_issuer)


def _other_numbers(dataset: Dataset, defaults: Defaults) -> Iterator[Identifier]:
    for other in dataset.get("OtherPatientIDsSequence") or ():
        if (number := _patient_number(other, defaults)) is not None:
            yield number


def _accession(dataset: Dataset, defaults: Defaults) -> Identifier | None:
    """(0008,0050) with its issuer (0008,0051); else that of the first request (0040,0275)."""
    for level in (dataset, item(dataset, "RequestAttributesSequence")):
        if level is not None and (number := _text(level, "AccessionNumber")):
            named = item(level, "IssuerOfAccessionNumberSequence") or Dataset()
            issuer = _text(named, "LocalNamespaceEntityID") or _text(named, "UniversalEntityID")
            return Identifier(value=number, issuer=issuer or defaults.accession_issuer)
    return None


def _study(dataset: Dataset) -> StudyAttributes:
    physician = name(dataset, "ReferringPhysicianName")
    return StudyAttributes(
        study_id=_text(dataset, "StudyID"),
        study_date=day(dataset, "StudyDate"),
        study_time=_text(dataset, "StudyTime"),
        description=_text(dataset, "StudyDescription"),
        referring_physician=_cut(str(physician.alphabetic)) if physician else None,
        procedure_codes=tuple(_codes(dataset, "ProcedureCodeSequence")) or None,
        requested_procedure_codes=_requested(dataset) or None,
    )


def _requested(dataset: Dataset) -> tuple[CodedConcept, ...]:
    """Of an acquisition for several requests, those of all of them, each once."""
    keyword = "RequestedProcedureCodeSequence"
    requests = list(dataset.get("RequestAttributesSequence") or ())[:CODES_MAX]
    of_requests = dict.fromkeys(code for request in requests for code in _codes(request, keyword))
    return tuple(of_requests)[:CODES_MAX] or tuple(_codes(dataset, keyword))


def _codes(dataset: Dataset, keyword: str) -> Iterator[CodedConcept]:
    """PS3.3 section 8: the value stands in one of three attributes."""
    for coded in list(dataset.get(keyword) or ())[:CODES_MAX]:
        values = (_text(coded, name) for name in ("CodeValue", "LongCodeValue", "URNCodeValue"))
        if code := next(filter(None, values), None):
            scheme, meaning = _text(coded, "CodingSchemeDesignator"), _text(coded, "CodeMeaning")
            yield CodedConcept(code=code, text=meaning, system=scheme)


def _series(dataset: Dataset, defaults: Defaults) -> SeriesAttributes:
    request = item(dataset, "RequestAttributesSequence") or Dataset()
    step = _text(item(dataset, "ReferencedPerformedProcedureStepSequence") or Dataset(), "ReferencedSOPInstanceUID")
    return SeriesAttributes(
        number=whole_number(dataset, "SeriesNumber"),
        modality=_text(dataset, "Modality"),
        description=_text(dataset, "SeriesDescription"),
        body_part=_text(dataset, "BodyPartExamined"),
        laterality=_text(dataset, "Laterality"),
        protocol_name=_text(dataset, "ProtocolName"),
        station_name=_text(dataset, "StationName") or defaults.station_name,
        performed_step_uid=step if step and is_uid(step) else None,
        performed_step_start_date=day(dataset, "PerformedProcedureStepStartDate"),
        performed_step_start_time=_text(dataset, "PerformedProcedureStepStartTime"),
        requested_procedure_id=_text(request, "RequestedProcedureID"),
        scheduled_step_id=_text(request, "ScheduledProcedureStepID"),
    )


def _text(dataset: Dataset, keyword: str) -> str | None:
    return _cut(text(dataset, keyword) or "")


def _cut(value: str) -> str | None:
    return value[:TEXT_MAX] or None
