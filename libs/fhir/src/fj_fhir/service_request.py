"""Reading a ServiceRequest that a placer posts: what an imaging order needs of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from fj_fhir.checking import check
from fj_fhir.dates import date_or_time
from fj_fhir.outcome import InvalidResource, Issue, IssueCode, NotProcessable
from fj_fhir.terms import (
    DICOM_CODES,
    DICOM_UID,
    NO_NAME,
    Address,
    Coding,
    HumanName,
    Identifier,
    Json,
    issuer_of,
    scheme_of,
)

_PLACER: Final = "PLAC"
_FILLER: Final = "FILL"
_ACCESSION: Final = "ACSN"
_MODALITY: Final = re.compile("[A-Z]{2,8}")
"""A modality of PS3.16 CID 29; the other codes of DCM are numbers."""
_ORDERS: Final = frozenset({"order", "original-order", "reflex-order", "instance-order", "filler-order"})


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the request is about: by the id of a Patient here, by a number, or by the contained Patient."""

    reference: str | None = None
    """The id in a literal reference `Patient/[id]`."""
    identifiers: tuple[Identifier, ...] = ()
    name: HumanName = NO_NAME
    birth_date: date | None = None
    gender: str | None = None
    """male, female, other, unknown."""
    address: Address | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A practitioner, as far as the request names one."""

    identifier: Identifier | None = None
    name: HumanName = NO_NAME
    display: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceRequestInput:
    """A request for imaging, read and checked. Issuers are None where an identifier has no system."""

    status: str
    intent: str
    code: Coding
    subject: Subject
    id: str | None = None
    priority: str = "routine"
    placer: Identifier | None = None
    filler: Identifier | None = None
    accession: Identifier | None = None
    study_instance_uid: str | None = None
    occurrence: datetime | date | None = None
    authored_on: datetime | date | None = None
    requester: Person | None = None
    modality: str | None = None
    """DICOM 0008,0060, where code, orderDetail or category say it in DICOM terms."""
    reason: str | None = None
    notes: tuple[str, ...] = ()
    visit_number: Identifier | None = None
    performer: str | None = None
    location: Coding | None = None


def parse_service_request(body: Json) -> ServiceRequestInput:
    """The imaging order in a ServiceRequest.

    Raises InvalidResource (400) where it is no good R4, NotProcessable (422) where it is and cannot be an order here:
    no code, no patient whom anyone could tell from another, a proposal instead of an order.
    """
    resource = check("ServiceRequest", body)
    contained = {f"#{inner['id']}": inner for inner in resource.get("contained", []) if "id" in inner}
    subject = _subject(resource["subject"], contained)
    identifiers = {_type_of(item): _identifier(item) for item in reversed(resource.get("identifier", []))}
    if issues := [*_missing(resource, subject)]:
        raise NotProcessable(issues)
    return ServiceRequestInput(
        id=resource.get("id"),
        status=resource["status"],
        intent=resource["intent"],
        code=_coding(resource["code"]),
        subject=subject,
        priority=resource.get("priority", "routine"),
        placer=identifiers.get(_PLACER),
        filler=identifiers.get(_FILLER),
        accession=identifiers.get(_ACCESSION),
        study_instance_uid=_study_uid(resource),
        occurrence=_occurrence(resource),
        authored_on=_moment(resource, "authoredOn"),
        requester=_person(resource.get("requester"), contained),
        modality=_modality(resource),
        reason=_words(resource.get("reasonCode", [])),
        notes=tuple(note["text"] for note in resource.get("note", [])),
        visit_number=_identifier(resource.get("encounter", {}).get("identifier", {})),
        performer=next((name for item in resource.get("performer", []) if (name := item.get("display"))), None),
        location=next((_coding(item) for item in resource.get("locationCode", [])), None),
    )


def _missing(resource: Json, subject: Subject) -> Iterator[Issue]:
    if not _coding(resource.get("code", {})).code:
        yield Issue(
            IssueCode.REQUIRED, "an order needs the code of its procedure", "ServiceRequest.code.coding[0].code"
        )
    if subject.reference is None and not subject.identifiers:
        yield Issue(
            IssueCode.REQUIRED,
            "an order needs its patient: Patient/[id], an identifier, or a contained Patient with one",
            "ServiceRequest.subject",
        )
    if resource["intent"] not in _ORDERS:
        yield Issue(IssueCode.BUSINESS_RULE, f"a {resource['intent']} is not carried out here", "ServiceRequest.intent")
    if resource.get("doNotPerform"):
        yield Issue(IssueCode.BUSINESS_RULE, "a request not to perform is not kept", "ServiceRequest.doNotPerform")


def _subject(element: Json, contained: dict[str, Json]) -> Subject:
    reference = element.get("reference")
    stated = _identifier(element.get("identifier", {}))
    if reference in contained:
        return _contained_patient(contained[reference], stated)
    return Subject(
        reference=_id_of(reference, "Patient"),
        identifiers=(stated,) if stated else (),
        name=_words_as_name(element.get("display")),
    )


def parse_patient(resource: Json) -> Subject:
    """Whom a Patient, checked, describes."""
    return _contained_patient(resource, None)


def _contained_patient(patient: Json, stated: Identifier | None) -> Subject:
    numbers = [stated, *(_identifier(item) for item in patient.get("identifier", []))]
    names = patient.get("name", [])
    official = [name for name in names if name.get("use") in (None, "official", "usual")]
    addresses = patient.get("address", [])
    phones = [point.get("value") for point in patient.get("telecom", []) if point.get("system") == "phone"]
    return Subject(
        identifiers=tuple(dict.fromkeys(number for number in numbers if number)),
        name=_name((official or names or [{}])[0]),
        birth_date=_birth_date(patient),
        gender=patient.get("gender"),
        address=_address(addresses[0]) if addresses else None,
        phone=next((phone for phone in phones if phone), None),
    )


def _birth_date(patient: Json) -> date | None:
    text = patient.get("birthDate")
    # A year or a month alone is not a birth date that anyone could compare.
    return date.fromisoformat(text) if text and len(text) == len("2000-01-01") else None


def _person(element: Json | None, contained: dict[str, Json]) -> Person | None:
    if not element:
        return None
    inner = contained.get(element.get("reference", ""), {})
    numbers = [element.get("identifier", {}), *inner.get("identifier", [])]
    names = inner.get("name", [])
    return Person(
        identifier=next((number for item in numbers if (number := _identifier(item))), None),
        name=_name(names[0]) if isinstance(names, list) and names else _words_as_name(element.get("display")),
        display=element.get("display"),
    )


def _words_as_name(display: str | None) -> HumanName:
    """`Family, Given` as its parts; other words are taken as the family name."""
    family, _, given = (display or "").partition(",")
    return HumanName(family=family.strip() or None, given=tuple(given.split()))


def _name(element: Json) -> HumanName:
    return HumanName(
        family=element.get("family") or element.get("text"),
        given=tuple(element.get("given", [])),
        prefix=" ".join(element.get("prefix", [])) or None,
        suffix=" ".join(element.get("suffix", [])) or None,
    )


def _address(element: Json) -> Address:
    return Address(
        line=", ".join(element.get("line", [])) or None,
        city=element.get("city"),
        state=element.get("state"),
        postal_code=element.get("postalCode"),
        country=element.get("country"),
    )


def _identifier(element: Json) -> Identifier | None:
    value = element.get("value")
    return Identifier(value, issuer_of(element.get("system")), _type_of(element)) if value else None


def _type_of(element: Json) -> str | None:
    codings = element.get("type", {}).get("coding", [])
    return next((coding["code"] for coding in codings if coding.get("code")), None)


def _coding(concept: Json) -> Coding:
    """The first coding with a code; the words of the concept count before those of the coding."""
    coding: Json = next((item for item in concept.get("coding", []) if item.get("code")), {})
    return Coding(coding.get("code"), scheme_of(coding.get("system")), concept.get("text") or coding.get("display"))


def _words(concepts: list[Json]) -> str | None:
    words = [_coding(concept) for concept in concepts]
    return "; ".join(word.display or word.code or "" for word in words) or None


def _modality(resource: Json) -> str | None:
    concepts = [resource.get("code", {}), *resource.get("orderDetail", []), *resource.get("category", [])]
    codings = [coding for concept in concepts for coding in concept.get("coding", [])]
    codes = (coding.get("code", "") for coding in codings if coding.get("system") == DICOM_CODES)
    return next((code for code in codes if _MODALITY.fullmatch(code)), None)


def _study_uid(resource: Json) -> str | None:
    found = (item.get("value") for item in resource.get("identifier", []) if item.get("system") == DICOM_UID)
    return next((value.removeprefix("urn:oid:") for value in found if value), None)


def _occurrence(resource: Json) -> datetime | date | None:
    period: Any = resource.get("occurrencePeriod", {})
    return _moment(resource, "occurrenceDateTime") or _moment(period, "start")


def _moment(element: Json, name: str) -> datetime | date | None:
    text = element.get(name)
    if text is None:
        return None
    try:
        return date_or_time(text)
    except ValueError as error:
        raise InvalidResource([Issue(IssueCode.VALUE, str(error), f"ServiceRequest.{name}")]) from None


def _id_of(reference: str | None, resource_type: str) -> str | None:
    parts = (reference or "").split("/")
    return parts[-1] if len(parts) >= 2 and parts[-2] == resource_type else None
