"""One message to one destination: written once, tried until it is taken or given up.

Deliveries of one queue (an order, or an exam without one) to one destination go one after the other, in the order in
which they were written; queues and destinations do not wait for each other.
"""

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from fj_events import (
    DeliveryAbandoned,
    DeliveryDelayed,
    DeliveryDelivered,
    DeliveryKind,
    Envelope,
    Fact,
    Identifier,
    PatientPhi,
)

from ehr_sync_service.domain.errors import AlreadyPending, NotAbandoned, Superseded
from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.telling import Receiver, Telling, Told

_NAMESPACE: Final = UUID("0f1d7c52-6a0b-5c35-8c5e-3c1f52a7f0aa")


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    ABANDONED = "abandoned"
    DISMISSED = "dismissed"
    """Given up, and a person says that nothing is to be done."""


class Fault(StrEnum):
    """Why an attempt failed."""

    UNREACHABLE = "unreachable"
    """No connection: nothing was sent."""
    NO_ANSWER = "no_answer"
    """Sent, and whether it arrived is not known: the same bytes go again."""
    REFUSED = "refused"
    """Answered AE or AR (CE, CR)."""
    UNFIT = "unfit"
    """What must be said cannot be put into a message (yet): the patient is not known."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed. `reason` is free of PHI and goes into facts; `detail` is the destination's own text."""

    fault: Fault
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an accepting answer says besides: the placer order number of NA with its authority, where it has one."""

    number: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An attempt that did not fail. `placer_order_number`: what the placer answered to SN."""

    placer_order_number: Identifier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one destination."""

    delivery_id: UUID
    destination: str
    queue: str
    fact: Told
    telling: Telling
    version: str
    """The HL7 version that the destination gets."""
    plan: PlanRecord | None = None
    """What a procedure or an appointment is about."""
    withdrawn_from: PatientPhi | None = None
    """From whom a result is taken back, where its order is another patient's by now."""
    happened_at: datetime
    """When the fact happened (ce_time)."""
    control_id: str
    """MSH-10, the same over all attempts: a repeated message can be recognised."""
    written_at: datetime
    next_attempt_at: datetime
    state: State = State.PENDING
    attempts: int = 0
    refusals: int = 0
    last_fault: Fault | None = None
    last_error: str = ""
    actor: str | None = None
    """Who had it sent again, or dismissed it."""
    message: bytes | None = None
    """As it was first sent; absent before the first attempt."""

    @property
    def message_type(self) -> str:
        return self.telling.message_type(self.version)

    @property
    def order_id(self) -> UUID | None:
        return order_id_of(self.fact)

    @property
    def exam_key(self) -> str:
        return exam_key_of(self.fact)

    @property
    def report(self) -> tuple[UUID, int] | None:
        """Report id and version, of a result."""
        report_id, version = getattr(self.fact, "report_id", None), getattr(self.fact, "version", None)
        return (report_id, version) if report_id is not None and version is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long, and how often, a delivery is tried."""

    backoff_first: timedelta
    backoff_max: timedelta
    age_max: timedelta
    refusals_max: int
    chance: Callable[[], float] = random.random
    """From 0 to 1."""

    def pause(self, attempts: int) -> timedelta:
        """The pause after this many attempts: doubled each time up to the cap, of which chance takes up to half."""
        doublings: int = 2 ** min(attempts - 1, 32)
        return min(self.backoff_first * doublings, self.backoff_max) * (1 - self.chance() / 2)


def order_id_of(fact: Told) -> UUID | None:
    """The order that a fact is about, where it is about one."""
    order_id: UUID | None = getattr(fact, "order_id", None)
    return order_id


def exam_key_of(fact: Told) -> str:
    """The exam that a fact is about: of an order its id; of a patient, whose facts are about none, the patient id."""
    return getattr(fact, "exam_key", None) or fact.key


def write(telling: Telling, fact: Told, cause: Envelope, receiver: Receiver, now: datetime) -> Delivery:
    """The delivery of a fact to a destination. Its ids follow from both: written twice, it is the same."""
    delivery_id = uuid5(_NAMESPACE, f"{receiver.name}/{telling.kind}/{cause.id}")
    return Delivery(
        delivery_id=delivery_id,
        destination=receiver.name,
        queue=str(order_id_of(fact) or exam_key_of(fact)),
        fact=fact,
        telling=telling,
        version=receiver.version,
        happened_at=cause.time,
        # 80 bits in 16 characters: MSH-10 has at most 20 (v2.5.1 ch. 2.15.9.10).
        control_id="FJ" + base64.b32encode(delivery_id.bytes[:10]).decode(),
        written_at=now,
        next_attempt_at=now,
    )


def succeeded(delivery: Delivery) -> Delivery:
    """The destination took it."""
    return replace(delivery, state=State.DELIVERED, attempts=delivery.attempts + 1, last_fault=None, last_error="")


def failed(delivery: Delivery, failure: Failure, now: datetime, policy: Policy) -> Delivery:
    """After a failed attempt: another one later, or given up."""
    attempts = delivery.attempts + 1
    refusals = delivery.refusals + (failure.fault is Fault.REFUSED)
    spent = refusals >= policy.refusals_max or now - delivery.written_at >= policy.age_max
    return replace(
        delivery,
        state=State.ABANDONED if spent else State.PENDING,
        attempts=attempts,
        refusals=refusals,
        last_fault=failure.fault,
        last_error=f"{failure.reason}: {failure.detail}" if failure.detail else failure.reason,
        next_attempt_at=now + policy.pause(attempts),
    )


def expired(delivery: Delivery, reason: str) -> Delivery:
    """Given up without an attempt: nobody could have made one."""
    return replace(delivery, state=State.ABANDONED, last_error=reason)


def resent(delivery: Delivery, newest_delivered: int | None, actor: str, now: datetime) -> Delivery:
    """Sent again because a person wants it. `newest_delivered`: the newest version of its report that is there.

    Raises AlreadyPending, Superseded: an older version must not arrive after a newer one.
    """
    if delivery.state is State.PENDING:
        raise AlreadyPending(delivery.delivery_id)
    if delivery.report and newest_delivered is not None and newest_delivered > delivery.report[1]:
        raise Superseded(delivery.delivery_id, delivery.report[1], newest_delivered)
    return replace(
        delivery, state=State.PENDING, attempts=0, refusals=0, written_at=now, next_attempt_at=now, actor=actor
    )


def dismissed(delivery: Delivery, actor: str) -> Delivery:
    """Nothing is to be done about what was given up. Raises NotAbandoned."""
    if delivery.state is not State.ABANDONED:
        raise NotAbandoned(delivery.delivery_id, delivery.state)
    return replace(delivery, state=State.DISMISSED, actor=actor)


def said(before: Delivery, after: Delivery, reason: str, accepted: Accepted = Accepted()) -> Fact | None:
    """The fact that a step of a delivery makes; none where it only waits on."""
    if after.state is State.DELIVERED:
        return DeliveryDelivered(**_common(after), placer_order_number=accepted.placer_order_number)
    if after.state is State.ABANDONED:
        return DeliveryAbandoned(**_common(after), reason=reason)
    if before.attempts == 0 and after.attempts == 1:
        return DeliveryDelayed(**_common(after), reason=reason, next_attempt_at=after.next_attempt_at)
    return None


def _common(delivery: Delivery) -> dict[str, object]:
    report_id, version = delivery.report or (None, None)
    return {
        "site": delivery.fact.site,
        "actor": delivery.actor,
        "delivery_id": delivery.delivery_id,
        "exam_key": delivery.exam_key,
        "order_id": delivery.order_id,
        "patient_id": UUID(delivery.fact.key) if delivery.telling.kind is DeliveryKind.PATIENTS else None,
        "destination": delivery.destination,
        "kind": delivery.telling.kind,
        "status": delivery.telling.status,
        "message_type": delivery.message_type,
        "control_id": delivery.control_id,
        "report_id": report_id,
        "report_version": version,
        "attempts": delivery.attempts,
    }
