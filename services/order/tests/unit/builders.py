"""Requests as a placer sends them."""

from typing import Any
from uuid import UUID

from fj_events import CodedConcept, Identifier, PatientPhi, Source, patient_key
from order_service.domain.order import Request

NAMESPACE = UUID(int=1)


def a_request(**given: Any) -> Request:
    """A request for a chest CT; `given` says what is different."""
    plain: dict[str, Any] = {
        "site": "MAIN",
        "patient_id": patient_key(NAMESPACE, "MAIN", "P1"),
        "patient": PatientPhi(id=Identifier(value="P1", issuer="MAIN"), family_name="Example"),
        "procedure": CodedConcept(code="CTCHEST"),
        "source": Source.HL7,
        "accession_issuer": "MAIN",
        "placer_order_number": Identifier(value="PL1", issuer="EHR"),
    }
    return Request(**(plain | given))
