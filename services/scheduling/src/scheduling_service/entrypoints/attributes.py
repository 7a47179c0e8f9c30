"""What a worklist item is in DICOM: the attributes of the Modality Worklist Information Model (PS3.4 Table K.6-1)."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from fj_dicom import Attributes, Items, Text
from fj_events import CodedConcept, Identifier, PatientPhi, Priority, Sex, Staff, VisitState

from scheduling_service.domain.visit import whereabouts
from scheduling_service.domain.worklist import Item, name_groups

LENGTHS: Final[Mapping[str, int]] = MappingProxyType({"AE": 16, "CS": 16, "LO": 64, "SH": 16, "ST": 1024, "LT": 10240})
"""Longest values (PS3.5 Table 6.2-1), characters."""
SCHEMES: Final[Mapping[str, str]] = MappingProxyType({"http://loinc.org": "LN", "http://snomed.info/sct": "SCT"})
"""Coding systems whose name in FHIR is not their designator in DICOM (PS3.16 Table 8-1)."""
LOCAL: Final = "L"
"""Coding scheme of a code whose sender named none (HL7 v2 table 0396)."""
PRIORITIES: Final[Mapping[str, str]] = MappingProxyType(
    {Priority.STAT: "STAT", Priority.ASAP: "HIGH", Priority.URGENT: "HIGH", Priority.ROUTINE: "ROUTINE"}
)
"""Requested Procedure Priority (0040,1003)."""


VISITS: Final[Mapping[str, str]] = MappingProxyType(
    {VisitState.PLANNED: "SCHEDULED", VisitState.ADMITTED: "ADMITTED", VisitState.DISCHARGED: "DISCHARGED"}
)
"""Visit Status ID (0038,0008). One that does not take place has none."""


def _text(vr: str, read: Callable[[Item], str | None]) -> Text:
    return Text(vr, lambda item: _fitting(read(item), vr))


def _fitting(text: str | None, vr: str) -> str:
    """The value as its representation allows: a backslash would divide it, and too long is cut."""
    if not text:
        return ""
    return text.replace("\\", "/")[: LENGTHS.get(vr, len(text))]


def _unknown(vr: str) -> Text:
    """Supported, but nobody tells us: always empty."""
    return Text(vr, lambda _: "")


def _location(item: Item) -> str:
    """Where the patient is now, from the ward to the hospital."""
    location = whereabouts(item.visit, item.details.clinical)
    return location.display if location else ""


_NO_ITEMS: Final = Items(lambda _: (), {})


def _date(moment: datetime) -> str:
    return moment.strftime("%Y%m%d")


def _time(moment: datetime) -> str:
    return moment.strftime("%H%M%S")


def _ends(item: Item) -> datetime:
    return item.starts_local + timedelta(minutes=item.step.duration_minutes)


def _patient_name(item: Item) -> str:
    return "=".join(name_groups(item.patient)).rstrip("=")


def _stations(item: Item) -> str:
    """One value, or one for each station of the group that it is scheduled for (PS3.6: VM 1-n)."""
    return "\\".join(_fitting(title, "AE") for title in item.step.group or (item.step.station_ae_title,))


def _physician(staff: Staff | None) -> str:
    return "" if staff is None else f"{staff.family_name or ''}^{staff.given_name or ''}".rstrip("^")


def _sex(patient: PatientPhi) -> str:
    return patient.sex if patient.sex in {Sex.MALE, Sex.FEMALE, Sex.OTHER} and patient.sex else ""


def _address(patient: PatientPhi) -> str:
    address = patient.address
    if address is None:
        return ""
    parts = (address.line, address.city, address.state, address.postal_code, address.country)
    return ", ".join(part for part in parts if part)


def _phone(patient: PatientPhi) -> str:
    """A number that is cut off is a wrong number."""
    phone = patient.phone or ""
    return phone if len(phone) <= LENGTHS["SH"] else ""


def _value(identifier: Identifier | None) -> str:
    return "" if identifier is None else identifier.value


def _code_value(code: CodedConcept) -> str:
    return code.code if len(code.code) <= LENGTHS["SH"] else ""


def _long_code_value(code: CodedConcept) -> str:
    return "" if _code_value(code) else code.code


def _scheme(code: CodedConcept) -> str:
    system = code.system or LOCAL
    return _fitting(SCHEMES.get(system, system), "SH")


CODE: Final[Attributes] = {  # PS3.3 Table 8.8-1
    0x00080100: Text("SH", _code_value),
    0x00080102: Text("SH", _scheme),
    0x00080104: Text("LO", lambda code: _fitting(code.text or code.code, "LO")),
    0x00080119: Text("UC", _long_code_value),
}
ISSUER: Final[Attributes] = {  # HL7v2 Hierarchic Designator, PS3.3 Table 10-17
    0x00400031: Text("UT", lambda identifier: identifier.issuer),
}
OTHER_ID: Final[Attributes] = {
    0x00100020: Text("LO", lambda identifier: _fitting(identifier.value, "LO")),
    0x00100021: Text("LO", lambda identifier: _fitting(identifier.issuer, "LO")),
    0x00100022: Text("CS", lambda _: "TEXT"),
}
STEP: Final[Attributes] = {  # Scheduled Procedure Step Sequence
    0x00080060: _text("CS", lambda item: item.step.modality),
    0x0018990C: _NO_ITEMS,
    0x0018990D: _NO_ITEMS,
    0x00321070: _text("LO", lambda item: item.step.contrast_agent),
    0x00400001: Text("AE", _stations),
    0x00400002: Text("DA", lambda item: _date(item.starts_local)),
    0x00400003: Text("TM", lambda item: _time(item.starts_local)),
    0x00400004: Text("DA", lambda item: _date(_ends(item))),
    0x00400005: Text("TM", lambda item: _time(_ends(item))),
    0x00400006: _unknown("PN"),  # Scheduled Performing Physician's Name
    0x00400007: _text("LO", lambda item: item.step.description),
    0x00400008: Items(lambda item: item.step.protocol, CODE),
    0x00400009: _text("SH", lambda item: item.step.step_id),
    0x00400010: _text("SH", lambda item: item.step.station_name),
    0x00400011: _text("SH", lambda item: item.step.station_location),
    0x00400012: _text("LO", lambda item: item.step.pre_medication),
    0x00400020: Text("CS", lambda item: item.state),
    0x00400400: _text("LT", lambda item: "\r\n".join(item.notes)),
}
_REQUEST: Final[Attributes] = {  # Requested Procedure and Imaging Service Request
    0x00080020: _unknown("DA"),  # Study Date
    0x00080030: _unknown("TM"),  # Study Time
    0x00080050: _text("SH", lambda item: item.details.accession_number.value),
    0x00080051: Items(lambda item: (item.details.accession_number,), ISSUER),
    0x00080090: _unknown("PN"),  # Referring Physician's Name
    0x00081110: _NO_ITEMS,  # Referenced Study Sequence
    0x0020000D: Text("UI", lambda item: item.study_instance_uid),
    0x00321032: _text("PN", lambda item: _physician(item.details.ordering_provider)),
    0x00321033: _unknown("LO"),  # Requesting Service
    0x00321060: _text("LO", lambda item: item.procedure.text or item.procedure.code),
    0x00321064: Items(lambda item: (item.procedure,), CODE),
    0x00400026: Items(lambda item: tuple(filter(None, (item.details.placer_order_number,))), ISSUER),
    0x00400027: Items(lambda item: tuple(filter(None, (item.details.filler_order_number,))), ISSUER),
    0x00400100: Items(lambda item: (item,), STEP),
    0x00400500: _NO_ITEMS,  # Scheduled Specimen Sequence
    0x00401001: _text("SH", lambda item: item.details.requested_procedure_id),
    0x00401002: _text("LO", lambda item: item.details.clinical.reason),
    0x00401003: Text("SH", lambda item: PRIORITIES.get(item.details.priority, "ROUTINE")),
    0x00401004: _unknown("LO"),  # Patient Transport Arrangements
    0x0040100A: _NO_ITEMS,  # Reason for Requested Procedure Code Sequence
    0x00401010: _unknown("PN"),  # Names of Intended Recipients of Results
    0x00401400: _text("LT", lambda item: (item.details.clinical.notes or "").replace("\n", "\r\n")),
    0x00402016: _text("LO", lambda item: _value(item.details.placer_order_number)),
    0x00402017: _text("LO", lambda item: _value(item.details.filler_order_number)),
    0x00402400: _unknown("LT"),  # Imaging Service Request Comments
}
_PATIENT: Final[Attributes] = {  # Patient and Visit
    0x00081120: _NO_ITEMS,  # Referenced Patient Sequence
    0x00100010: Text("PN", _patient_name),
    0x00100020: _text("LO", lambda item: _value(item.patient.id)),
    0x00100021: _text("LO", lambda item: item.patient.id.issuer if item.patient.id else ""),
    0x00100024: _NO_ITEMS,  # Issuer of Patient ID Qualifiers Sequence
    0x00100030: Text("DA", lambda item: item.patient.birth_date.strftime("%Y%m%d") if item.patient.birth_date else ""),
    0x00100040: Text("CS", lambda item: _sex(item.patient)),
    0x00101002: Items(lambda item: item.patient.other_ids, OTHER_ID),
    0x00101020: _unknown("DS"),  # Patient's Size
    0x00101030: _unknown("DS"),  # Patient's Weight
    0x00101040: _text("LO", lambda item: _address(item.patient)),
    0x00102000: _unknown("LO"),  # Medical Alerts
    0x00102110: _unknown("LO"),  # Allergies
    0x00102154: Text("SH", lambda item: _phone(item.patient)),
    0x00102160: _unknown("SH"),  # Ethnic Group
    0x001021A0: _unknown("CS"),  # Smoking Status
    0x001021B0: _text("LT", lambda item: item.details.clinical.history),
    0x001021C0: _unknown("US"),  # Pregnancy Status
    0x001021D0: _unknown("DA"),  # Last Menstrual Date
    0x00104000: _unknown("LT"),  # Patient Comments
    0x00380008: Text("CS", lambda item: VISITS.get(item.visit.state, "") if item.visit else ""),
    0x00380010: _text("LO", lambda item: _value(item.details.clinical.visit_number)),
    0x00380014: Items(lambda item: tuple(filter(None, (item.details.clinical.visit_number,))), ISSUER),
    0x00380050: _unknown("LO"),  # Special Needs
    0x00380300: _text("LO", _location),
    0x00380500: _unknown("LO"),  # Patient State
    0x00403001: _unknown("LO"),  # Confidentiality Constraint on Patient Data Description
}
WORKLIST: Final[Attributes] = {**_REQUEST, **_PATIENT}
