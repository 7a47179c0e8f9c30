"""An imaging order: what is asked for, where it stands, what was reported and delivered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Identifier,
    OrderDetails,
    OrderedStep,
    PatientPhi,
    Priority,
    Source,
    Staff,
    Uid,
)

from order_service.domain.errors import OtherNumber, OtherPatient
from order_service.domain.life import Act, Life, move, moved
from order_service.domain.numbers import (
    accession_number,
    another_study_instance_uid,
    requested_procedure_id,
    study_instance_uid,
)
from order_service.domain.visit import Named, numbers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """When a message was made, as its sender says."""

    said_at: datetime | None = None
    """Of the message (MSH-7)."""
    transaction_at: datetime | None = None
    """Of the wish in it (ORC-9)."""
    came_at: datetime | None = None
    """When it came here: of what an order has heard, and of a message that is read again. None: it comes now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a placer sent, in canonical terms. What it leaves out is made by `place`."""

    site: str
    patient_id: UUID
    patient: PatientPhi
    procedure: CodedConcept
    source: Source
    accession_issuer: str
    priority: Priority = Priority.ROUTINE
    placer_order_number: Identifier | None = None
    filler_order_number: Identifier | None = None
    accession_number: Identifier | None = None
    study_instance_uid: Uid | None = None
    requested_procedure_id: str | None = None
    modality: str | None = None
    asked_for: datetime | None = None
    scheduled_step_id: str | None = None
    station_ae_title: str | None = None
    steps: tuple[OrderedStep, ...] = ()
    ordering_provider: Staff | None = None
    clinical: ClinicalPhi = field(default_factory=ClinicalPhi)
    heard: Heard = field(default_factory=Heard)
    named: Named | None = None
    """What the placer named, where its visit went to another patient or got another number."""
    order_id: UUID = field(default_factory=uuid4, compare=False)
    """Of the order, where it is a new one; the same one where the sender of the request asks again."""


CHANGES_MAX: Final = 50
"""Changes that are kept in case that the exam refuses them: far more than are ever on their way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that was told, and what held without it: that holds again when the exam had already started."""

    fact_id: UUID
    """The id of its `order.changed`, which a refusal names as its cause."""
    before: OrderDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of one placer."""

    order_id: UUID
    site: str
    life: Life
    details: OrderDetails
    beneath: Life | None = None
    """Of a completed order: where its exam stands; absent where that is not known, and it was performed."""
    changes: tuple[Change, ...] = ()
    """Oldest first. Several may be on their way to the exam, which may refuse any of them."""
    report_id: UUID | None = None
    report_version: int | None = None
    """The newest final or amended version that is known."""
    delivered: Mapping[str, int] = field(default_factory=dict)
    """Of each report and destination, `report id/name`, the newest version that is there."""
    heard: Heard = field(default_factory=Heard)
    """The newest message about it."""
    worded: Heard | None = None
    """The newest one that said what is asked for, where others came behind it."""
    named: Named | None = None
    """What its placer named, where its visit or account went to another patient or got another number since."""


_ENDED: Final = {"COMPLETED": Act.PERFORM, "DISCONTINUED": Act.DISCONTINUE}
"""What an order missed of its exam while it was cancelled, by the state of the exam."""


def place(request: Request, order_id: UUID) -> Order:
    """A new order; numbers that the placer left out are made from its id."""
    details = _details(request, order_id, None)
    return Order(
        order_id=order_id,
        site=request.site,
        life=Life.ORDERED,
        details=details,
        heard=request.heard,
        named=request.named,
    )


def change(order: Order, request: Request, *, merged: bool = False) -> Order:
    """The order as the placer wants it now; the same order when nothing differs.

    `merged`: whom it names and the order's patient are one after a merge. Raises NotPossible once the exam has started,
    OtherPatient when it names somebody else.
    """
    details = _details(request, order.order_id, order.details)
    if details.patient_id != order.details.patient_id and not merged:
        raise OtherPatient
    if not differences(order.details, details):
        return replace(order, named=request.named)
    return replace(order, life=move(order.life, Act.CHANGE), details=details, named=request.named)


WORDING: Final = frozenset({Act.CHANGE, Act.REPLACE})
"""The acts of messages that say what is asked for."""


def heard_before(order: Order, heard: Heard, act: Act) -> Heard:
    """What must not be newer than a message. A change that is read again undoes no hold, nor is it undone by one."""
    return order.worded if heard.came_at and order.worded and act is Act.CHANGE else order.heard


def act_on(order: Order, act: Act) -> Order:
    """The order after a wish of its placer other than a change. Raises NotPossible, as once the exam has started."""
    return replace(order, life=move(order.life, act))


def numbered(order: Order, number: Identifier) -> Order:
    """The order with the number that its placer gives it. Raises OtherNumber when it has one."""
    known = order.details.placer_order_number
    if known is not None and known != number:
        raise OtherNumber(str(known))
    return with_details(order, lambda details: details.model_copy(update={"placer_order_number": number}))


def with_details(order: Order, given: Callable[[OrderDetails], OrderDetails]) -> Order:
    """The order with what it is given, whatever changes of it the exam refuses."""
    changes = tuple(replace(each, before=given(each.before)) for each in order.changes)
    return replace(order, details=given(order.details), changes=changes)


def told(order: Order, fact_id: UUID, before: OrderDetails) -> Order:
    """A changed order whose change is on its way to the exam under this id."""
    changes = (*order.changes, Change(fact_id=fact_id, before=before))
    return replace(order, changes=changes[-CHANGES_MAX:])


def reinstate(order: Order, exam: str) -> Order:
    """The exam had started before the wish arrived: the order stands, where its exam stands."""
    order = happened(order, Act.REINSTATE)
    return happened(order, _ENDED[exam]) if exam in _ENDED else order


def without(order: Order, fact_id: UUID | None) -> Order:
    """The order without a change that the exam refused, and without later ones, which the same exam refuses too.

    A change that is unknown was undone before, or is none of this order's: nothing is undone.
    """
    for nth, refused in enumerate(order.changes):
        if refused.fact_id == fact_id:
            return replace(order, details=refused.before, changes=order.changes[:nth])
    return order


def happened(order: Order, act: Act) -> Order:
    """The order after something that happened to its exam, or after it was completed."""
    life = moved(order.life, act)
    beneath: Life | None = order.life
    if order.life is Life.COMPLETED:
        beneath = order.beneath and moved(order.beneath, act)
    return replace(order, life=life, beneath=beneath if life is Life.COMPLETED else None)


def put_back(order: Order) -> Order:
    """The order after what was done for it turned out to be another exam: so was what was read of it.

    That may still be on its way to those who want it, and must not complete the order.
    """
    waits = happened(order, Act.PUT_BACK)
    return order if waits == order else replace(waits, report_id=None, report_version=None)


def reported(order: Order, report_id: UUID, version: int) -> Order:
    """A final or amended version is there; an older one changes nothing."""
    if order.report_version is not None and order.report_version >= version:
        return order
    return replace(order, report_id=report_id, report_version=version)


def retracted(order: Order, report_id: UUID) -> Order:
    """The report was another order's: the order is where its exam is. Another report that is here stays."""
    if order.report_id != report_id:
        return order
    life = (order.beneath or Life.PERFORMED) if order.life is Life.COMPLETED else order.life
    return replace(order, life=life, beneath=None, report_id=None, report_version=None)


def delivered(order: Order, report_id: UUID, destination: str, version: int) -> Order:
    """A destination has this version of a report."""
    place = _place(report_id, destination)
    return replace(order, delivered={**order.delivered, place: max(version, order.delivered.get(place, 0))})


def is_delivered(order: Order, wanted_by: tuple[str, ...]) -> bool:
    """Whether the newest final version is everywhere that wants it; with no destination, whether it is final."""
    report_id, version = order.report_id, order.report_version
    if report_id is None or version is None:
        return False
    return all(order.delivered.get(_place(report_id, name), 0) >= version for name in wanted_by)


def bereft(order: Order, study_instance_uid: Uid) -> Order:
    """The order after a study turned out not to be its own: a UID that stands on those images is no more its."""
    if order.details.study_instance_uid != study_instance_uid:
        return order
    fresh = another_study_instance_uid(order.order_id, study_instance_uid)
    return replace(order, details=order.details.model_copy(update={"study_instance_uid": fresh}))


def differences(before: OrderDetails, after: OrderDetails) -> tuple[str, ...]:
    """The names of the fields that differ; through which door the newest message came is no difference."""
    fields = (name for name in OrderDetails.model_fields if name != "source")
    return tuple(name for name in fields if getattr(before, name) != getattr(after, name))


def _place(report_id: UUID, destination: str) -> str:
    return f"{report_id}/{destination}"


def _details(request: Request, order_id: UUID, kept: OrderDetails | None) -> OrderDetails:
    """What the request says; numbers once given are kept, numbers never given are made."""
    accession = request.accession_number or (
        kept.accession_number if kept else accession_number(order_id, request.accession_issuer)
    )
    uid = request.study_instance_uid or (kept.study_instance_uid if kept else study_instance_uid(order_id))
    procedure_id = request.requested_procedure_id or (
        kept.requested_procedure_id if kept else requested_procedure_id(accession)
    )
    return OrderDetails(
        patient_id=request.patient_id,
        placer_order_number=request.placer_order_number or (kept.placer_order_number if kept else None),
        filler_order_number=request.filler_order_number or (kept.filler_order_number if kept else None),
        accession_number=accession,
        study_instance_uid=uid,
        requested_procedure_id=procedure_id,
        procedure=request.procedure,
        modality=request.modality,
        priority=request.priority,
        asked_for=request.asked_for,
        scheduled_step_id=request.scheduled_step_id,
        station_ae_title=request.station_ae_title,
        steps=request.steps,
        ordering_provider=request.ordering_provider,
        source=request.source,
        patient=request.patient,
        clinical=_clinical(request, kept),
    )


def _clinical(request: Request, kept: OrderDetails | None) -> ClinicalPhi:
    """What the request says of its reason; visit, account and where the patient is are kept where it says nothing."""
    if kept is None:
        return request.clinical
    before = numbers_of(kept.clinical)
    numbers = {name: number or before[name] for name, number in numbers_of(request.clinical).items()}
    location = request.clinical.location or kept.clinical.location
    return request.clinical.model_copy(update={**numbers, "location": location})
