"""What each fact does to the projection and to the ledger, in whatever order the topics arrive."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from ehr_sync_service import handlers, plans
from ehr_sync_service.domain.delivery import Accepted, Policy, State
from ehr_sync_service.domain.records import OrderStatus, ReportStatus, StudyStatus
from ehr_sync_service.domain.telling import Receiver
from ehr_sync_service.post import Post
from fj_events import (
    DeliveryKind,
    Envelope,
    ExamCompleted,
    ExamDiscontinued,
    ExamStarted,
    Fact,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    PatientRegistered,
    Refused,
    ReportAmended,
    ReportFinalized,
    ReportPhi,
    ReportPreliminary,
    ReportRetracted,
    Source,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
    StudyUnmatched,
)

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.unit.stores import MemoryLedger, MemoryProjection

EXAM = Exam("U1", order_id=UUID(int=7), report_id=UUID(int=8))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EHR, REGISTRY, PACS = Receiver("ehr"), Receiver("registry"), Receiver("pacs", "2.3.1")
WISHES = {
    DeliveryKind.RESULTS: (EHR, REGISTRY),
    DeliveryKind.STATUS: (EHR,),
    DeliveryKind.PROCEDURES: (PACS,),
    DeliveryKind.APPOINTMENTS: (PACS,),
    DeliveryKind.PATIENTS: (PACS,),
}
POLICY = Policy(
    backoff_first=timedelta(seconds=1), backoff_max=timedelta(minutes=1), age_max=timedelta(hours=72), refusals_max=3
)


def envelopes(facts: Sequence[Fact]) -> list[tuple[Fact, Envelope]]:
    """The facts of one key, numbered; ids and times follow from the numbers."""
    return [
        (
            fact,
            Envelope(
                id=uuid5(UUID(int=0), f"{fact.topic}/{number}"),
                type=fact.fact_type,
                source="/filmjacket/test",
                time=NOON + timedelta(seconds=number),
                subject=fact.key,
                site=fact.site,
                sequence=number,
            ),
        )
        for number, fact in enumerate(facts, start=1)
    ]


class World:
    """A service without doors."""

    def __init__(self) -> None:
        self.projection = MemoryProjection()
        self.ledger = MemoryLedger()
        self.post = Post(self.ledger, WISHES)

    async def take(self, facts: Iterable[tuple[Fact, Envelope]]) -> None:
        for fact, cause in facts:
            await self._take(fact, cause)

    async def _take(self, fact: Fact, cause: Envelope) -> None:
        projection, post = self.projection, self.post
        match fact:
            case PatientRegistered():
                await handlers.on_patient(fact, cause, projection, post)
            case ExamStarted() | ExamCompleted() | ExamDiscontinued():
                await handlers.on_exam_moved(fact, cause, post)
                await plans.on_performed(fact, cause, projection, post)
            case StudyReceived() | StudyAvailable():
                await handlers.on_study(fact, cause, projection)
            case StudyMatched() | StudyUnmatched():
                await self._place(fact, cause)
            case ReportPreliminary() | ReportFinalized() | ReportAmended():
                await handlers.on_report(fact, cause, projection, post)
            case _:
                await self._take_order(fact, cause)

    async def _take_order(self, fact: Fact, cause: Envelope) -> None:
        projection, post = self.projection, self.post
        match fact:
            case OrderPlaced() | OrderChanged():
                await handlers.on_order(fact, cause, projection, post)
            case OrderCancelled():
                await handlers.on_order_cancelled(fact, cause, projection, post)
            case OrderReinstated():
                await handlers.on_order_reinstated(fact, cause, projection, post)
            case OrderHeld() | OrderReleased():
                await handlers.on_order_paused(fact, cause, projection, post)
            case OrderCompleted() | OrderReopened():
                await handlers.on_order_moved(fact, cause, projection)

    async def _place(self, fact: StudyMatched | StudyUnmatched, cause: Envelope) -> None:
        if isinstance(fact, StudyMatched):
            await handlers.on_study_matched(fact, cause, self.projection)
        else:
            await handlers.on_study_unmatched(fact, cause, self.projection)

    def state(self) -> tuple[object, ...]:
        """All that is known and to be told, but not when it was written."""
        known = self.projection
        told = {(one.delivery_id, one.destination, one.control_id, one.fact) for one in self.ledger.deliveries.values()}
        return known.patients, known.orders, known.studies, known.reports, told


def streams() -> list[list[tuple[Fact, Envelope]]]:
    """The exam's facts, topic by topic."""
    return [
        envelopes([EXAM.registered()]),
        envelopes([EXAM.placed(), EXAM.changed("CT neck"), EXAM.order_completed()]),
        envelopes([EXAM.started(), EXAM.performed()]),
        envelopes([EXAM.received(), EXAM.matched(), EXAM.available()]),
        envelopes([EXAM.preliminary(), EXAM.finalized(), EXAM.amended()]),
    ]


async def test_a_withdrawn_report_and_a_study_that_is_nobodys_are_no_longer_the_orders() -> None:
    world = World()
    await world.take(itertools.chain(*streams()))
    *_, (withdrawn, cause) = envelopes([EXAM.preliminary(), EXAM.finalized(), EXAM.amended(), EXAM.retracted()])
    assert isinstance(withdrawn, ReportRetracted)
    await handlers.on_report(withdrawn, cause, world.projection, world.post)
    *_, (relinked, cause) = envelopes([EXAM.received(), EXAM.matched(), EXAM.available(), EXAM.relinked(None)])
    assert isinstance(relinked, StudyRelinked)
    await handlers.on_study_relinked(relinked, cause, world.projection)
    [report] = world.projection.reports.values()
    assert (report.status, report.version, report.content) == ("entered-in-error", 4, ReportPhi())
    [study] = world.projection.studies.values()
    assert (study.order_id, study.matched) == (None, False)
    told = [one.fact for one in world.ledger.deliveries.values()]
    assert sum(isinstance(fact, ReportRetracted) for fact in told) >= 1


async def test_the_topics_may_come_in_any_order() -> None:
    expected = World()
    await expected.take(itertools.chain(*streams()))
    for order in itertools.permutations(streams()):
        world = World()
        await world.take(itertools.chain(*order))
        assert world.state() == expected.state()
    woven = World()
    await woven.take(pair for row in itertools.zip_longest(*streams()) for pair in row if pair is not None)
    assert woven.state() == expected.state()


async def test_facts_taken_twice_change_nothing() -> None:
    once, twice = World(), World()
    await once.take(itertools.chain(*streams()))
    for stream in streams():
        await twice.take(itertools.chain.from_iterable((pair, pair) for pair in stream))
    assert twice.state() == once.state()


async def test_the_newest_state_is_known() -> None:
    world = World()
    await world.take(itertools.chain(*streams()))
    order = world.projection.orders[EXAM.order_id]
    assert (order.status, order.details.procedure.text, order.version) == (OrderStatus.COMPLETED, "CT neck", 3)
    assert order.placed_at == NOON + timedelta(seconds=1)
    study = world.projection.studies[EXAM.uid]
    assert (study.status, study.order_id, study.patient_id) == (StudyStatus.AVAILABLE, EXAM.order_id, EXAM.patient_id)
    report = world.projection.reports[EXAM.report_id]
    assert (report.status, report.version) == (ReportStatus.CORRECTED, 3)


async def test_images_of_somebody_else_than_the_order_is_for_are_in_no_record_until_a_match() -> None:
    world = World()
    doubted = [EXAM.received(), EXAM.unmatched("name"), EXAM.available().model_copy(update={"order_id": None})]
    await world.take(envelopes(doubted))
    study = world.projection.studies[EXAM.uid]
    assert (study.order_id, study.patient_id, study.contradicted_by) == (None, None, ("name",))
    for told, belongs in (
        (EXAM.unmatched(), (None, EXAM.patient_id, ())),
        (EXAM.matched(), (EXAM.order_id, EXAM.patient_id, ())),
    ):
        await world.take(envelopes([*doubted, told])[-1:])
        study = world.projection.studies[EXAM.uid]
        assert (study.order_id, study.patient_id, study.contradicted_by) == belongs


async def test_a_match_outlasts_what_the_images_say_later() -> None:
    world = World()
    later = EXAM.available().model_copy(update={"order_id": None, "patient_id": UUID(int=9)})
    await world.take(envelopes([EXAM.received(), EXAM.matched(), later]))
    study = world.projection.studies[EXAM.uid]
    assert (study.order_id, study.patient_id, study.matched) == (EXAM.order_id, EXAM.patient_id, True)


@pytest.mark.parametrize(
    ("moves", "status"),
    [
        ([EXAM.cancelled()], OrderStatus.REVOKED),
        ([EXAM.cancelled(), EXAM.reinstated()], OrderStatus.ACTIVE),
        ([EXAM.order_completed(), EXAM.reinstated()], OrderStatus.COMPLETED),
        ([EXAM.held()], OrderStatus.ON_HOLD),
        ([EXAM.held(), EXAM.released()], OrderStatus.ACTIVE),
        ([EXAM.held(), EXAM.reinstated(Refused.HOLD)], OrderStatus.ACTIVE),
        ([EXAM.order_completed(), EXAM.reopened()], OrderStatus.ACTIVE),
    ],
)
async def test_an_order_moves(moves: list[Fact], status: OrderStatus) -> None:
    world = World()
    await world.take(envelopes([EXAM.placed(), *moves]))
    assert world.projection.orders[EXAM.order_id].status is status


async def test_facts_about_what_is_not_known_are_left_alone() -> None:
    world = World()
    await world.take(envelopes([EXAM.cancelled(), EXAM.order_completed()]))
    await world.take(envelopes([EXAM.matched()]))
    assert world.projection.orders == {}
    assert world.projection.studies == {}


@pytest.mark.parametrize(
    ("actor", "source", "told"),
    [(None, Source.HL7, 0), ("tess", Source.HL7, 1), ("ehr-user", Source.FHIR, 0), ("tess", Source.HTTP, 0)],
)
async def test_a_placer_is_told_of_a_cancel_that_was_not_its_own(actor: str | None, source: Source, told: int) -> None:
    exam = Exam("U2", source=source)
    world = World()
    await world.take(envelopes([exam.placed(), exam.cancelled(actor)]))
    assert len(world.ledger.deliveries) == told


async def test_an_exam_without_an_order_has_nobody_to_tell_but_its_report_goes_out() -> None:
    world = World()
    started = EXAM.started().model_copy(update={"order_id": None, "exam_key": EXAM.uid})
    report = EXAM.finalized().model_copy(update={"order_id": None, "exam_key": EXAM.uid})
    await world.take(envelopes([started]))
    await world.take(envelopes([report]))
    assert {one.destination for one in world.ledger.deliveries.values()} == {"ehr", "registry"}
    assert {one.queue for one in world.ledger.deliveries.values()} == {EXAM.uid}


async def test_nobody_waits_for_ever_for_a_destination_that_is_gone() -> None:
    world = World()
    await world.take(envelopes([EXAM.finalized()]))
    late = datetime.now(UTC) + timedelta(hours=73)
    assert await handlers.give_up_lost(late, POLICY, ["ehr"], world.ledger) == 1
    fact, work = world.ledger.said
    assert (fact.fact_type, fact.model_dump()["destination"]) == ("delivery.abandoned.v1", "registry")
    assert fact.model_dump()["reason"] == "the destination is not configured"
    assert (work.fact_type, work.model_dump()["about"]) == ("work.given_up.v1", str(EXAM.order_id))
    [given_up] = [one for one in world.ledger.deliveries.values() if one.state is State.ABANDONED]
    assert given_up.destination == "registry"


async def test_an_outcome_of_a_closed_delivery_changes_nothing() -> None:
    world = World()
    await world.take(envelopes([EXAM.finalized()]))
    delivery_id = next(iter(world.ledger.deliveries))
    assert await handlers.conclude(delivery_id, Accepted(), NOON, POLICY, world.ledger) is not None
    assert await handlers.conclude(delivery_id, Accepted(), NOON, POLICY, world.ledger) is None
    assert len(world.ledger.said) == 1
