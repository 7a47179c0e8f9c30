"""The resources that are served, as plain data; `to_json` gives each as R4, and each has passed `check` then."""

import base64
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final

from fj_fhir.checking import check
from fj_fhir.terms import (
    DICOM_CODES,
    NO_NAME,
    SERVICE_SECTIONS,
    Address,
    Coding,
    HumanName,
    Identifier,
    Json,
    Meta,
    Reference,
    Uid,
    compact,
    moment,
)

_RADIOLOGY: Final = {"coding": [{"system": SERVICE_SECTIONS, "code": "RAD", "display": "Radiology"}]}
_IMAGING: Final = {"coding": [{"system": "http://snomed.info/sct", "code": "363679005", "display": "Imaging"}]}
_CONNECTIONS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_PAYLOADS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
_DICOMWEB: Final = "dicomweb"


@dataclass(frozen=True, kw_only=True)
class Resource(ABC):
    """What every resource has besides its own content."""

    resource_type: ClassVar[str]
    id: str
    """At most 64 characters of `[A-Za-z0-9.-]`."""
    meta: Meta | None = None
    """None where the room that answers does not count its versions."""
    identifiers: tuple[Identifier | Uid, ...] = ()

    def to_json(self) -> Json:
        """The resource as R4. Raises InvalidResource where it would break the rules."""
        head = {
            "resourceType": self.resource_type,
            "id": self.id,
            "meta": self.meta.to_json() if self.meta else None,
            "identifier": [identifier.to_json() for identifier in self.identifiers],
        }
        return check(self.resource_type, compact({**head, **self._content()}))

    @abstractmethod
    def _content(self) -> Json:
        """What only this resource has."""


@dataclass(frozen=True, kw_only=True)
class Patient(Resource):
    """A Patient. `gender` is male, female, other or unknown."""

    resource_type = "Patient"
    name: HumanName = NO_NAME
    gender: str | None = None
    birth_date: date | None = None
    address: Address | None = None
    phone: str | None = None
    replaced_by: str | None = None
    """The id of the Patient that this one was merged into: then it is no longer in use."""
    replaces: tuple[str, ...] = ()
    """The ids of those that were merged into this one."""
    see_also: tuple[str, ...] = ()
    """The ids of others in use that are the same person (link-type)."""

    def _content(self) -> Json:
        linked = [
            *((other, "replaced-by") for other in (self.replaced_by,) if other),
            *((other, "replaces") for other in self.replaces),
            *((other, "seealso") for other in self.see_also),
        ]
        return {
            "active": self.replaced_by is None,
            "link": [{"other": {"reference": f"Patient/{other}"}, "type": kind} for other, kind in linked] or None,
            "name": [self.name.to_json()] if self.name != NO_NAME else None,
            "telecom": [{"system": "phone", "value": self.phone}] if self.phone else None,
            "gender": self.gender,
            "birthDate": moment(self.birth_date),
            "address": [self.address.to_json()] if self.address and self.address != Address() else None,
        }


@dataclass(frozen=True, kw_only=True)
class ServiceRequest(Resource):
    """A ServiceRequest for imaging: status and priority in the codes of FHIR."""

    resource_type = "ServiceRequest"
    status: str
    code: Coding
    subject: Reference
    priority: str
    intent: str = "order"
    modality: str | None = None
    occurrence: datetime | date | None = None
    authored_on: datetime | None = None
    requester: Reference | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()

    def _content(self) -> Json:
        return {
            "status": self.status,
            "intent": self.intent,
            "category": [_IMAGING],
            "priority": self.priority,
            "code": self.code.to_concept(),
            "orderDetail": [{"coding": [_modality(self.modality)]}] if self.modality else None,
            "subject": self.subject.to_json(),
            "occurrenceDateTime": moment(self.occurrence),
            "authoredOn": moment(self.authored_on),
            "requester": self.requester.to_json() if self.requester else None,
            "reasonCode": [{"text": self.reason}] if self.reason else None,
            "note": [{"text": note} for note in self.notes],
        }


@dataclass(frozen=True, slots=True)
class Series:
    """A series of an imaging study, counted."""

    uid: str
    modality: str | None = None
    number: int | None = None
    description: str | None = None
    body_part: str | None = None
    number_of_instances: int | None = None

    def to_json(self) -> Json:
        return compact(
            {
                "uid": self.uid,
                "number": self.number,
                # 1..1 in R4; a series that does not say is OT, Other (PS3.3 C.7.3.1.1.1).
                "modality": _modality(self.modality or "OT"),
                "description": self.description,
                "numberOfInstances": self.number_of_instances,
                "bodySite": {"display": self.body_part} if self.body_part else None,
            }
        )


@dataclass(frozen=True, kw_only=True)
class ImagingStudy(Resource):
    """An ImagingStudy; `dicomweb` is the address of the WADO-RS root that serves it."""

    resource_type = "ImagingStudy"
    status: str
    subject: Reference
    modalities: tuple[str, ...] = ()
    started: datetime | date | None = None
    based_on: tuple[Reference, ...] = ()
    number_of_series: int | None = None
    number_of_instances: int | None = None
    procedure: Coding | None = None
    description: str | None = None
    series: tuple[Series, ...] = ()
    dicomweb: str | None = None

    def _content(self) -> Json:
        return {
            "contained": [_endpoint(self.dicomweb)] if self.dicomweb else None,
            "status": self.status,
            "modality": [_modality(modality) for modality in self.modalities],
            "subject": self.subject.to_json(),
            "started": moment(self.started),
            "basedOn": [reference.to_json() for reference in self.based_on],
            "endpoint": [{"reference": f"#{_DICOMWEB}"}] if self.dicomweb else None,
            "numberOfSeries": self.number_of_series,
            "numberOfInstances": self.number_of_instances,
            "procedureCode": [self.procedure.to_concept()] if self.procedure else None,
            "description": self.description,
            "series": [one.to_json() for one in self.series],
        }


def _modality(code: str) -> Json:
    return {"system": DICOM_CODES, "code": code}


def _endpoint(address: str) -> Json:
    return {
        "resourceType": "Endpoint",
        "id": _DICOMWEB,
        "status": "active",
        "connectionType": {"system": _CONNECTIONS, "code": "dicom-wado-rs"},
        "payloadType": [{"coding": [{"system": _PAYLOADS, "code": "any"}]}],
        "payloadMimeType": ["application/dicom"],
        "address": address,
    }


@dataclass(frozen=True, kw_only=True)
class DiagnosticReport(Resource):
    """A DiagnosticReport of radiology; `text` is the whole report, given as presentedForm in plain UTF-8."""

    resource_type = "DiagnosticReport"
    status: str
    code: Coding
    subject: Reference | None = None
    based_on: tuple[Reference, ...] = ()
    imaging_study: tuple[Reference, ...] = ()
    effective: datetime | date | None = None
    issued: datetime | None = None
    interpreter: Reference | None = None
    conclusion: str | None = None
    text: str | None = None

    def _content(self) -> Json:
        return {
            "basedOn": [reference.to_json() for reference in self.based_on],
            "status": self.status,
            "category": [_RADIOLOGY],
            "code": self.code.to_concept(),
            "subject": self.subject.to_json() if self.subject else None,
            "effectiveDateTime": moment(self.effective),
            "issued": moment(self.issued),
            "resultsInterpreter": [self.interpreter.to_json()] if self.interpreter else None,
            "imagingStudy": [reference.to_json() for reference in self.imaging_study],
            "conclusion": self.conclusion,
            "presentedForm": [self._form(self.text)] if self.text else None,
        }

    def _form(self, text: str) -> Json:
        return compact(
            {
                "contentType": "text/plain; charset=utf-8",
                "data": base64.b64encode(text.encode()).decode(),
                "title": "Report",
                "creation": moment(self.issued),
            }
        )
