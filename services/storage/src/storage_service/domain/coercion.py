"""What retrieved objects say of patient and order: as it is known now, whatever was stored (PS3.3 C.12.1.1.9)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from fj_events import CodedConcept, Identifier, PatientPhi, Sex
from pydantic import BaseModel, ConfigDict

MODIFYING_SYSTEM: Final = "Filmjacket"
REASON: Final = "COERCE"
"""Reason for the Attribute Modification (0400,0565): reconciliation."""
_LOCAL: Final = "L"
"""Coding scheme of a code whose sender named none (HL7 v2 table 0396)."""
_SEXES: Final = frozenset({Sex.MALE, Sex.FEMALE, Sex.OTHER})
_SHORT: Final = 16
"""Characters of SH, and of a Code Value (0008,0100)."""
_LONG: Final = 64
"""Characters of LO."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Told(_Frozen):
    """What images said of patient and order when they came."""

    patient: PatientPhi
    accession_number: Identifier | None = None
    requested_procedure_id: str | None = None
    description: str | None = None
    procedure_codes: tuple[CodedConcept, ...] = ()
    requested_procedure_codes: tuple[CodedConcept, ...] | None = None


class Ordered(_Frozen):
    """What an order says of its images."""

    accession_number: Identifier
    requested_procedure_id: str | None = None
    procedure: CodedConcept | None = None


class Changed(_Frozen):
    """What is said instead; what is absent stays as it is stored."""

    patient: PatientPhi | None = None
    order: Ordered | None = None
    without_order: bool = False
    """A person took the study off the order whose accession number it carries."""


@dataclass(frozen=True, slots=True)
class Coercion:
    """What objects of a study say instead, since when, and from which site they are."""

    changed: Changed
    at: datetime
    site: str


@dataclass(frozen=True, slots=True)
class Values:
    """An attribute as it is to be: text, items, or nothing at all (None: the attribute goes)."""

    vr: str
    value: "str | Sequence[Mapping[int, Values]] | None"


Wanted: TypeAlias = Mapping[int, Values]


def changed(told: Iterable[Told], patient: PatientPhi | None, order: Ordered | None, *, orderless: bool) -> Changed:
    """What has to be said instead of what these images say. Empty where all of them say it already."""
    images = tuple(told)
    patient = _sayable(patient)
    other = patient is not None and any(_other_patient(one.patient, patient) for one in images)
    moved = order is not None and any(_other_order(one, order) for one in images)
    return Changed(
        patient=_with_groups(patient, images[0].patient) if patient is not None and other else None,
        order=order if moved else None,
        without_order=order is None and orderless,
    )


def combined(told: Iterable[Told], change: Changed) -> Told:
    """What is searched for: of the images the first that says anything, and what is said instead."""
    images = [one.model_dump(exclude_none=True) for one in told]
    found = {name: value for one in reversed(images) for name, value in one.items()}
    if change.patient is not None:
        found["patient"] = found["patient"] | change.patient.model_dump(exclude_none=True)
    if change.order is not None:
        procedure = change.order.procedure
        found["accession_number"] = change.order.accession_number
        if procedure:
            found |= {"description": procedure.text or procedure.code, "procedure_codes": (_schemed(procedure),)}
    elif change.without_order:
        found["accession_number"] = None
    return Told.model_validate(found)


def requested(told: Iterable[Told], change: Changed, order: Ordered | None) -> tuple[CodedConcept, ...]:
    """What was asked for: the order knows; without one, what the images say first."""
    if order is not None and order.procedure is not None:
        return (_schemed(order.procedure),)
    if change.without_order:
        return ()
    return next((one.requested_procedure_codes for one in told if one.requested_procedure_codes), ())


def wanted(change: Changed) -> Wanted:
    """The attributes that objects are to have, in order of their tags."""
    found: dict[int, Values] = {}
    if change.patient is not None:
        found |= _patient(change.patient)
    if change.order is not None:
        found |= _order(change.order)
    elif change.without_order:
        found |= {0x00080050: Values("SH", ""), 0x00080051: Values("SQ", None), 0x00400275: Values("SQ", None)}
    return dict(sorted(found.items()))


def person_name(patient: PatientPhi) -> str:
    """As a PN, with its component groups (PS3.5 6.2.1.1)."""
    groups = (_alphabetic(patient), patient.ideographic_name or "", patient.phonetic_name or "")
    return "=".join(groups).rstrip("=")


def _alphabetic(patient: PatientPhi) -> str:
    parts = (patient.family_name, patient.given_name, patient.middle_name, patient.prefix, patient.suffix)
    return "^".join(part or "" for part in parts).rstrip("^")


def _sayable(patient: PatientPhi | None) -> PatientPhi | None:
    """Registrations know more sexes than DICOM does (PS3.3 C.7.1.1); one that is not known takes none away."""
    return patient if patient is None or patient.sex in _SEXES else patient.model_copy(update={"sex": None})


def _with_groups(patient: PatientPhi, told: PatientPhi) -> PatientPhi:
    """A registration that knows no other script does not take a name away that is the same in letters."""
    if _alphabetic(patient) != _alphabetic(told):
        return patient
    further = {name: getattr(patient, name) or getattr(told, name) for name in ("ideographic_name", "phonetic_name")}
    return patient.model_copy(update=further)


def _other_patient(told: PatientPhi, current: PatientPhi) -> bool:
    """Only what is known now can be missed in an image."""
    pairs = (
        (told.id, current.id),
        (_alphabetic(told), _alphabetic(current)),
        (told.ideographic_name, current.ideographic_name),
        (told.phonetic_name, current.phonetic_name),
        (told.birth_date, current.birth_date),
        (told.sex, current.sex),
    )
    return any(now and now != then for then, now in pairs)


def _other_order(told: Told, order: Ordered) -> bool:
    """An order that made its own images leaves them the words of the device: description and codes follow a move."""
    named = told.requested_procedure_id
    return told.accession_number != order.accession_number or (
        named is not None and order.requested_procedure_id is not None and named != order.requested_procedure_id
    )


def _patient(patient: PatientPhi) -> Wanted:
    number, born = patient.id, patient.birth_date
    texts = {
        0x00100010: ("PN", person_name(patient)),
        0x00100020: ("LO", number.value if number else ""),
        0x00100021: ("LO", number.issuer if number else ""),
        0x00100030: ("DA", f"{born:%Y%m%d}" if born else ""),
        0x00100040: ("CS", patient.sex or ""),
    }
    return {tag: Values(vr, text) for tag, (vr, text) in texts.items() if text}


def _order(order: Ordered) -> Wanted:
    number, procedure = order.accession_number, order.procedure
    issuer = (
        {0x00080051: Values("SQ", ({0x00400031: Values("UT", number.issuer)},))}
        if number.issuer
        else {0x00080051: Values("SQ", None)}
    )
    request: dict[int, Values] = {0x00080050: Values("SH", number.value[:_SHORT]), **issuer}
    found = dict(request)
    if procedure is not None:
        text = (procedure.text or procedure.code)[:_LONG]
        code = Values("SQ", (_code(procedure, text),))
        found |= {0x00081030: Values("LO", text), 0x00081032: code}
        request |= {0x00321060: Values("LO", text), 0x00321064: code}
    if order.requested_procedure_id:
        request[0x00401001] = Values("SH", order.requested_procedure_id[:_SHORT])
    found[0x00400275] = Values("SQ", ({tag: one for tag, one in sorted(request.items()) if one.value is not None},))
    return found


def _schemed(procedure: CodedConcept) -> CodedConcept:
    return procedure if procedure.system else procedure.model_copy(update={"system": _LOCAL})


def _code(procedure: CodedConcept, meaning: str) -> Wanted:
    """PS3.3 section 8; a code that is too long for a Code Value stands in (0008,0119)."""
    tag, vr = (0x00080100, "SH") if len(procedure.code) <= _SHORT else (0x00080119, "UC")
    scheme = Values("SH", (_schemed(procedure).system or "")[:_SHORT])
    found = {tag: Values(vr, procedure.code), 0x00080102: scheme, 0x00080104: Values("LO", meaning)}
    return dict(sorted(found.items()))
