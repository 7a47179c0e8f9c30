"""Facts about an imaging order. Owner: `order`."""

from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, OpenEnum, Part
from fj_events.terms import CodedConcept, Identifier, Staff, Uid
from fj_events.vocabulary import ClinicalPhi, PatientPhi, Priority, Source


class OrderedStep(Part):
    """A scheduled procedure step as the placer plans it (IPC, HL7 v2.5.1 ch. 4.5.6; IHE RAD-4)."""

    step_id: str | None = None
    """The placer's Scheduled Procedure Step ID (IPC-4), where it fits into SH."""
    modality: str | None = None
    """IPC-5."""
    protocol: tuple[CodedConcept, ...] = ()
    """IPC-6."""
    station_name: str | None = None
    """IPC-7."""
    station_location: str | None = None
    """IPC-8."""
    station_ae_title: str | None = None
    """IPC-9."""
    procedure: CodedConcept | None = None
    """OBR-4 of its own group, where it is not the order's procedure."""
    asked_for: AwareDatetime | None = None
    """When the placer wants it, where it is another time than the order's."""


class OrderDetails(Part):
    """What is asked for: everything about an order but its id and its life."""

    patient_id: UUID
    placer_order_number: Identifier | None = None
    """ORC-2; given by the placer."""
    filler_order_number: Identifier | None = None
    """ORC-3."""
    accession_number: Identifier
    """At most 16 characters (DICOM 0008,0050 SH)."""
    study_instance_uid: Uid
    """PS3.3 C.7.2.1, from the message or made once here."""
    requested_procedure_id: str
    """DICOM 0040,1001, SH."""
    procedure: CodedConcept
    modality: str | None = None
    """DICOM 0008,0060; absent where the feed does not say, then the catalogue knows."""
    priority: Priority
    asked_for: AwareDatetime | None = None
    """When the placer wants it (ORC-7, TQ1-7, OBR-36); absent: now."""
    scheduled_step_id: str | None = None
    """The scheduled procedure step id that the placer chose (IPC-4)."""
    station_ae_title: str | None = None
    """The station that the placer chose (IPC-9)."""
    steps: tuple[OrderedStep, ...] = ()
    """Where the placer planned several, or says more of one than stands here; none: they are the catalogue's."""
    ordering_provider: Staff | None = None
    source: Source
    patient: PatientPhi
    clinical: ClinicalPhi


class _OrderState(OrderDetails, Fact):
    order_id: UUID


class OrderPlaced(_OrderState, type="order.placed.v1", topic="order-events", key="order_id"):
    """A placer asked for imaging and the order was accepted (HL7 v2.5.1 ch. 4.4 NW; FHIR R4 ServiceRequest active)."""

    replaces: UUID | None = None
    """The order that this one replaces (RO), which is cancelled."""


class OrderChanged(_OrderState, type="order.changed.v1", topic="order-events", key="order_id"):
    """The placer changed the order (XO). Carries the whole new state."""

    changed: tuple[str, ...]
    """The names of the fields that differ from before."""
    moved_with: UUID | None = None
    """With which visit or account it went to another patient, or got another number of it, just now (A44 to A50)."""


class Refused(OpenEnum):
    """What a started exam refuses."""

    CANCEL = "cancel"
    CHANGE = "change"
    HOLD = "hold"


class OrderCancelled(Fact, type="order.cancelled.v1", topic="order-events", key="order_id"):
    """The placer took the order back (CA, DC; FHIR ServiceRequest revoked)."""

    order_id: UUID
    patient_id: UUID
    accession_number: Identifier
    study_instance_uid: Uid
    reason: str | None = None
    replaced_by: UUID | None = None
    """The order that replaces this one (RP, RU)."""


class _OrderPaused(Fact):
    order_id: UUID
    patient_id: UUID
    accession_number: Identifier
    placer_order_number: Identifier | None = None
    reason: str | None = None


class OrderHeld(_OrderPaused, type="order.held.v1", topic="order-events", key="order_id"):
    """The order waits until it is released and is not performed before (HD; FHIR ServiceRequest on-hold)."""


class OrderReleased(_OrderPaused, type="order.released.v1", topic="order-events", key="order_id"):
    """A held order may be performed again (RL)."""


class OrderReinstated(Fact, type="order.reinstated.v1", topic="order-events", key="order_id"):
    """A cancel, change or hold met a started exam: the exam won, the order stands."""

    order_id: UUID
    patient_id: UUID
    accession_number: Identifier
    placer_order_number: Identifier | None = None
    refused: Refused
    reason: str


class OrderCompleted(Fact, type="order.completed.v1", topic="order-events", key="order_id"):
    """The newest final report has reached every destination that wants results; with none, it is final."""

    order_id: UUID
    patient_id: UUID
    accession_number: Identifier
    report_id: UUID
    report_version: int
    reason: str


class OrderReopened(Fact, type="order.reopened.v1", topic="order-events", key="order_id"):
    """What completed the order was another one's: images or report were relinked. It waits for its own."""

    order_id: UUID
    patient_id: UUID
    accession_number: Identifier
    reason: str
