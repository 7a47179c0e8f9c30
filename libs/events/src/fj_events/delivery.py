"""Facts about what the EHR was told. Owner: `ehr_sync`."""

from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, OpenEnum
from fj_events.terms import Identifier


class DeliveryKind(OpenEnum):
    """What a destination can ask for."""

    RESULTS = "results"
    """Reports: ORU^R01."""
    STATUS = "status"
    """The life of the order: ORM^O01 SC, OC, UC (IHE RAD-3)."""
    NUMBERS = "numbers"
    """The wish for a placer order number of an order that was born here: ORM^O01 SN (IHE RAD-3)."""
    PROCEDURES = "procedures"
    """What is planned, for image managers: ORM^O01 with ZDS or OMI^O23 (IHE RAD-4, RAD-13)."""
    APPOINTMENTS = "appointments"
    """Appointments: SIU (IHE RAD-48)."""
    PATIENTS = "patients"
    """Patients that changed or were merged: ADT (IHE RAD-12)."""


class _Delivery(Fact):
    delivery_id: UUID
    exam_key: str
    """Of a message about a patient, which is about no exam, the patient id."""
    order_id: UUID | None = None
    patient_id: UUID | None = None
    """Whom a message of the kind patients is about."""
    destination: str
    """Its name in EHR_SYNC_HL7_DESTINATIONS."""
    kind: DeliveryKind
    status: str
    """Report status P, F, C (table 0123) of a result; order status IP, CM, CA, DC (table 0038) of an order message."""
    message_type: str
    """`ORU^R01`, `ORM^O01`, `OMI^O23`, `SIU^S12`, …"""
    control_id: str
    """MSH-10 of the message; the same over all attempts."""
    report_id: UUID | None = None
    report_version: int | None = None
    attempts: int


class DeliveryDelivered(_Delivery, type="delivery.delivered.v1", topic="delivery-events", key="exam_key"):
    """The destination answered AA (or CA)."""

    placer_order_number: Identifier | None = None
    """The number that the placer gave the order in its answer to SN (NA)."""


class DeliveryDelayed(_Delivery, type="delivery.delayed.v1", topic="delivery-events", key="exam_key"):
    """An attempt failed; said once per delivery, at the first failure."""

    reason: str
    next_attempt_at: AwareDatetime


class DeliveryAbandoned(_Delivery, type="delivery.abandoned.v1", topic="delivery-events", key="exam_key"):
    """No attempt is left; an operator can send it again."""

    reason: str
