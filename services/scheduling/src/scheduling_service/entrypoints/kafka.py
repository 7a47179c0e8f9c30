"""Which facts `scheduling` listens to, and the handler of each."""

from collections.abc import Callable
from functools import partial

from fj_bus import Consumer, Tx
from fj_events import (
    OrderCancelled,
    OrderChanged,
    OrderHeld,
    OrderPlaced,
    OrderReleased,
    PatientRegistered,
    PatientUpdated,
    PatientVisitUpdated,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
)
from fj_survivors import Moved, follow, follow_visit

from scheduling_service import handlers, siu
from scheduling_service.appointments import Desk
from scheduling_service.domain import study
from scheduling_service.handlers import Planner
from scheduling_service.ports import InstanceLists, Schedule


def subscribe(
    consumer: Consumer, schedule: Callable[[Tx], Schedule], planner: Planner, lists: InstanceLists, desk: Desk
) -> None:
    """Bind every fact."""
    _patients(consumer, schedule)

    @consumer.on(OrderPlaced)
    async def _(fact: OrderPlaced, tx: Tx) -> None:
        await siu.hold_names(fact, schedule(tx))
        await handlers.on_order_placed(fact, schedule(tx), planner, lists)
        await siu.on_order_known(fact, schedule(tx), desk)

    @consumer.on(OrderChanged)
    async def _(fact: OrderChanged, tx: Tx) -> None:
        await siu.hold_names(fact, schedule(tx))
        await handlers.on_order_changed(fact, schedule(tx), planner, lists)
        await siu.on_order_known(fact, schedule(tx), desk)
        follow_visit(fact, consumer, tx)

    @consumer.on(OrderCancelled)
    async def _(fact: OrderCancelled, tx: Tx) -> None:
        await handlers.on_order_cancelled(fact, schedule(tx), lists)

    async def paused(fact: OrderHeld | OrderReleased, tx: Tx) -> None:
        await handlers.on_order_paused(fact, schedule(tx), lists)

    consumer.on(OrderHeld)(paused)
    consumer.on(OrderReleased)(paused)

    _studies(consumer, schedule, lists)


def _studies(consumer: Consumer, schedule: Callable[[Tx], Schedule], lists: InstanceLists) -> None:
    @consumer.on(StudyReceived)
    async def _(fact: StudyReceived, tx: Tx) -> None:
        fold = partial(study.received, fact=fact)
        await handlers.on_study_known(fact.study_instance_uid, fold, schedule(tx), lists)

    @consumer.on(StudyMatched)
    async def _(fact: StudyMatched, tx: Tx) -> None:
        fold = partial(study.matched, fact=fact)
        await handlers.on_study_known(fact.study_instance_uid, fold, schedule(tx), lists)

    @consumer.on(StudyAvailable)
    async def _(fact: StudyAvailable, tx: Tx) -> None:
        fold = partial(study.available, fact=fact)
        await handlers.on_study_known(fact.study_instance_uid, fold, schedule(tx), lists)

    @consumer.on(StudyRelinked)
    async def _(fact: StudyRelinked, tx: Tx) -> None:
        await handlers.on_study_relinked(fact, schedule(tx), lists)


def _patients(consumer: Consumer, schedule: Callable[[Tx], Schedule]) -> None:
    @consumer.on(PatientRegistered)
    async def _(fact: PatientRegistered, tx: Tx) -> None:
        await handlers.on_patient_known(fact, schedule(tx))

    @consumer.on(PatientUpdated)
    async def _(fact: PatientUpdated, tx: Tx) -> None:
        await handlers.on_patient_known(fact, schedule(tx))

    @consumer.on(PatientVisitUpdated)
    async def _(fact: PatientVisitUpdated, tx: Tx) -> None:
        await handlers.on_visit_updated(fact, schedule(tx))

    async def moved(fact: Moved, tx: Tx) -> None:
        await handlers.on_patient_moved(fact, schedule(tx))

    follow(consumer, moved)
