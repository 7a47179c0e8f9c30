"""How a delivery goes: tried, delayed, given up, sent again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from ehr_sync_service.domain import delivery as domain
from ehr_sync_service.domain.delivery import Delivery, Failure, Fault, Policy, State
from ehr_sync_service.domain.errors import AlreadyPending, Superseded
from ehr_sync_service.domain.telling import TELLINGS, Receiver, telling_of
from fj_events import DeliveryAbandoned, DeliveryDelayed, DeliveryDelivered, Envelope, Refused

from services.ehr_sync.tests.builders import Exam

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EXAM = Exam("D1")
UNREACHABLE = Failure(Fault.UNREACHABLE, "no connection", "127.0.0.1:1: refused")
REFUSED = Failure(Fault.REFUSED, "answered AE", "Mrs Beispiel is not known")


def policy(chance: float = 0.0) -> Policy:
    return Policy(
        backoff_first=timedelta(seconds=1),
        backoff_max=timedelta(seconds=60),
        age_max=timedelta(hours=72),
        refusals_max=3,
        chance=lambda: chance,
    )


def a_delivery(version: int = 2, destination: str = "ehr") -> Delivery:
    cause = Envelope(
        id=UUID(int=version),
        type="report.finalized.v1",
        source="/filmjacket/reporting",
        time=NOON,
        subject=str(EXAM.order_id),
        site="MAIN",
        sequence=version,
    )
    fact = EXAM.finalized(version)
    return domain.write(telling_of(fact), fact, cause, Receiver(destination), NOON)


def test_the_ids_of_a_delivery_follow_from_its_fact_and_destination() -> None:
    first = a_delivery()
    assert a_delivery() == first
    assert len(first.control_id) <= 20
    others = [a_delivery(3), a_delivery(destination="registry")]
    assert len({one.control_id for one in [first, *others]}) == 3
    assert len({one.delivery_id for one in [first, *others]}) == 3
    assert {one.queue for one in [first, *others]} == {str(EXAM.order_id)}


@pytest.mark.parametrize(
    ("attempts", "chance", "seconds"),
    [(1, 0, 1), (2, 0, 2), (4, 0, 8), (7, 0, 60), (10_000, 0, 60), (1, 1, 0.5), (7, 1, 30)],
)
def test_pauses_double_up_to_the_cap_and_chance_takes_up_to_half(attempts: int, chance: float, seconds: float) -> None:
    assert policy(chance).pause(attempts) == timedelta(seconds=seconds)


def test_a_failure_is_told_once_and_tried_again_later() -> None:
    first = a_delivery()
    second = domain.failed(first, UNREACHABLE, NOON, policy())
    assert (second.state, second.attempts, second.refusals) == (State.PENDING, 1, 0)
    assert second.next_attempt_at == NOON + timedelta(seconds=1)
    fact = domain.said(first, second, UNREACHABLE.reason)
    assert isinstance(fact, DeliveryDelayed)
    assert (fact.reason, fact.next_attempt_at, fact.control_id) == (
        "no connection",
        second.next_attempt_at,
        first.control_id,
    )
    third = domain.failed(second, UNREACHABLE, NOON, policy())
    assert domain.said(second, third, UNREACHABLE.reason) is None


def test_a_destination_that_is_away_is_tried_until_the_delivery_is_too_old() -> None:
    delivery = replace(a_delivery(), attempts=1000)
    young = domain.failed(delivery, UNREACHABLE, NOON + timedelta(hours=71), policy())
    assert young.state is State.PENDING
    old = domain.failed(delivery, UNREACHABLE, NOON + timedelta(hours=72), policy())
    assert old.state is State.ABANDONED
    assert isinstance(domain.said(delivery, old, "no connection"), DeliveryAbandoned)


def test_refusals_are_counted_and_their_words_stay_out_of_the_fact() -> None:
    delivery = a_delivery()
    for _ in range(2):
        delivery = domain.failed(delivery, REFUSED, NOON, policy())
        assert delivery.state is State.PENDING
    last = domain.failed(delivery, REFUSED, NOON, policy())
    assert last.state is State.ABANDONED
    assert "Beispiel" in last.last_error
    fact = domain.said(delivery, last, REFUSED.reason)
    assert fact is not None
    assert "Beispiel" not in fact.model_dump_json()


def test_success_is_told_with_the_number_of_attempts() -> None:
    before = domain.failed(a_delivery(), UNREACHABLE, NOON, policy())
    after = domain.succeeded(before)
    fact = domain.said(before, after, "")
    assert isinstance(fact, DeliveryDelivered)
    assert (fact.attempts, fact.report_id, fact.report_version, fact.status) == (2, EXAM.report_id, 2, "F")
    assert after.last_error == ""


def test_sending_again_starts_afresh_and_names_who_wanted_it() -> None:
    given_up = replace(a_delivery(), state=State.ABANDONED, attempts=5, refusals=3)
    later = NOON + timedelta(days=9)
    again = domain.resent(given_up, None, "tess", later)
    assert (again.state, again.attempts, again.refusals, again.actor) == (State.PENDING, 0, 0, "tess")
    assert again.control_id == given_up.control_id
    assert domain.failed(again, UNREACHABLE, later, policy()).state is State.PENDING


def test_what_is_pending_or_superseded_is_not_sent_again() -> None:
    with pytest.raises(AlreadyPending):
        domain.resent(a_delivery(), None, "tess", NOON)
    taken = replace(a_delivery(2), state=State.DELIVERED)
    with pytest.raises(Superseded, match="version 2, the destination has version 3"):
        domain.resent(taken, 3, "tess", NOON)
    assert domain.resent(taken, 2, "tess", NOON).state is State.PENDING


def test_every_fact_that_is_told_has_its_codes() -> None:
    said = {kind.__name__: (one.control, one.status) for kind, one in TELLINGS.items()}
    assert said == {
        "ExamStarted": ("SC", "IP"),
        "ExamCompleted": ("SC", "CM"),
        "ExamDiscontinued": ("SC", "DC"),
        "ExamPutBack": ("SC", "SC"),
        "OrderPlaced": ("SN", "SC"),
        "OrderCancelled": ("OC", "CA"),
        "OrderHeld": ("SC", "HD"),
        "OrderReleased": ("SC", "SC"),
        "OrderReinstated": ("UC", "IP"),
        "PatientUpdated": ("A08", ""),
        "PatientMerged": ("A40", ""),
        "PatientUnmerged": ("A08", ""),
        "ReportPreliminary": ("RE", "P"),
        "ReportFinalized": ("RE", "F"),
        "ReportAmended": ("RE", "C"),
        "ReportRetracted": ("RE", "C"),
    }
    assert telling_of(EXAM.reinstated(Refused.CHANGE)).control == "UX"
    assert telling_of(EXAM.reinstated(Refused.HOLD)).control == "UH"
