"""The terms that the resources are made of, as plain data: identifiers, codes, names, references, meta."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

FHIR_VERSION: Final = "4.0.1"
IDENTIFIER_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
"""HL7 table 0203: MR, PLAC, FILL, ACSN, VN …"""
DICOM_UID: Final = "urn:dicom:uid"
"""The system of a DICOM UID as an identifier; its value starts with `urn:oid:` (R4 ImagingStudy.identifier)."""
DICOM_CODES: Final = "http://dicom.nema.org/resources/ontology/DCM"
SERVICE_SECTIONS: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"

Json = dict[str, Any]
"""A FHIR resource or element as JSON knows it."""

_ISSUER_URN: Final = "urn:filmjacket:issuer:"
_SCHEME_URN: Final = "urn:filmjacket:coding-scheme:"
_OID_URN: Final = "urn:oid:"
_CODE_SYSTEMS: Final = {
    "LN": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "DCM": DICOM_CODES,
    "RADLEX": "http://radlex.org",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "UCUM": "http://unitsofmeasure.org",
}
_SCHEMES: Final = {system: scheme for scheme, system in _CODE_SYSTEMS.items()}


def system_of(issuer: str | None) -> str | None:
    """The `Identifier.system` of an assigning authority: a URI as it is, an OID or a name as a URN."""
    if not issuer:
        return None
    if all(part.isdigit() for part in issuer.split(".")) and "." in issuer:
        return _OID_URN + issuer
    return issuer if ":" in issuer else _ISSUER_URN + quote(issuer, safe="")


def issuer_of(system: str | None) -> str | None:
    """The assigning authority that a system stands for; the reverse of `system_of`, anything else as it is."""
    if not system:
        return None
    if system.startswith(_ISSUER_URN):
        return unquote(system.removeprefix(_ISSUER_URN))
    return system.removeprefix(_OID_URN)


def code_system_of(scheme: str | None) -> str | None:
    """The code system URI of a coding scheme designator (PS3.16 Table 8-1, HL7 table 0396)."""
    if not scheme:
        return None
    if ":" in scheme:
        return scheme
    return _CODE_SYSTEMS.get(scheme) or _SCHEME_URN + quote(scheme, safe="")


def scheme_of(system: str | None) -> str | None:
    """The designator of a code system; the reverse of `code_system_of`, an unknown URI as it is."""
    if not system:
        return None
    if system.startswith(_SCHEME_URN):
        return unquote(system.removeprefix(_SCHEME_URN))
    return _SCHEMES.get(system, system)


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number with who gave it out. `issuer` is an assigning authority: a name, an OID or a URI."""

    value: str
    issuer: str | None = None
    type_code: str | None = None
    """HL7 table 0203."""

    def to_json(self) -> Json:
        kind = {"coding": [{"system": IDENTIFIER_TYPES, "code": self.type_code}]} if self.type_code else None
        system = system_of(self.issuer)
        assigner = {"display": self.issuer} if system and system.startswith(_ISSUER_URN) else None
        return compact({"type": kind, "system": system, "value": self.value, "assigner": assigner})


@dataclass(frozen=True, slots=True)
class Uid:
    """A DICOM unique identifier as an identifier of a resource."""

    value: str

    def to_json(self) -> Json:
        return {"system": DICOM_UID, "value": _OID_URN + self.value}


@dataclass(frozen=True, slots=True)
class Coding:
    """A code, its meaning, and its coding scheme by the designator that HL7 v2 and DICOM use, or a URI."""

    code: str | None
    scheme: str | None = None
    display: str | None = None

    def to_json(self) -> Json:
        return compact({"system": code_system_of(self.scheme), "code": self.code, "display": self.display})

    def to_concept(self) -> Json:
        """As a CodeableConcept, with the meaning as its text."""
        return compact({"coding": [self.to_json()] if self.code else None, "text": self.display})


@dataclass(frozen=True, slots=True)
class HumanName:
    """A person's name in its parts."""

    family: str | None = None
    given: tuple[str, ...] = ()
    prefix: str | None = None
    suffix: str | None = None

    @property
    def display(self) -> str:
        """Family, given."""
        return ", ".join(part for part in (self.family, " ".join(self.given)) if part)

    def to_json(self) -> Json:
        affixes = {"prefix": [self.prefix] if self.prefix else None, "suffix": [self.suffix] if self.suffix else None}
        return compact({"family": self.family, "given": list(self.given), **affixes})


NO_NAME: Final = HumanName()


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address."""

    line: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None

    def to_json(self) -> Json:
        lines = [self.line] if self.line else None
        rest = {"city": self.city, "state": self.state, "postalCode": self.postal_code, "country": self.country}
        return compact({"line": lines, **rest})


@dataclass(frozen=True, slots=True)
class Reference:
    """A pointer to another resource: by its id (`Patient`, `…`), by an identifier, or only in words."""

    type: str
    id: str | None = None
    identifier: Identifier | None = None
    display: str | None = None

    def to_json(self) -> Json:
        reference = f"{self.type}/{self.id}" if self.id else None
        identifier = self.identifier.to_json() if self.identifier else None
        return compact({"reference": reference, "type": self.type, "identifier": identifier, "display": self.display})


@dataclass(frozen=True, slots=True)
class Meta:
    """Which version of the resource this is, and since when it stands."""

    version: str
    """At most 64 characters of `[A-Za-z0-9.-]`."""
    last_updated: datetime

    def to_json(self) -> Json:
        return {"versionId": self.version, "lastUpdated": instant(self.last_updated)}


def instant(moment: datetime) -> str:
    """An instant or dateTime in UTC, to the millisecond. Raises ValueError where `moment` has no offset."""
    if moment.tzinfo is None:
        raise ValueError("a FHIR instant needs an offset")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(value: datetime | date | None) -> str | None:
    """A dateTime: an instant, or a date."""
    if value is None:
        return None
    return instant(value) if isinstance(value, datetime) else value.isoformat()


def compact(element: Mapping[str, Any]) -> Json:
    """The element without what is absent: FHIR knows no null, no empty string, list or object (R4 ele-1)."""
    return {key: value for key, value in element.items() if value not in (None, "", [], {}, ())}
