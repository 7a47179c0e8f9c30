"""Which facts `patient` listens to, and the handler of each."""

from collections.abc import Callable
from datetime import UTC, datetime

from fj_bus import Consumer, Tx
from fj_events import (
    OrderChanged,
    OrderPlaced,
    PatientFollowed,
    PatientLinked,
    PatientLinkFollowed,
    PatientMerged,
    PatientRegistered,
    PatientUnlinked,
    PatientUnmerged,
    PatientUpdated,
    PatientVisitFollowed,
    StudyReceived,
)

from patient_service import duplicates, handlers, visits
from patient_service import links as linking
from patient_service import merges as merging
from patient_service.duplicates import Work
from patient_service.ports import Merges, Patients, Visits

About = PatientRegistered | PatientUpdated | PatientMerged | PatientUnmerged | PatientLinked | PatientUnlinked


def subscribe(
    consumer: Consumer,
    patients: Callable[[Tx], Patients],
    merges: Callable[[Tx], Merges],
    moves: Callable[[Tx], Visits],
    work: Callable[[Tx], Work],
) -> None:
    """Bind every fact."""

    @consumer.on(OrderPlaced)
    async def _(fact: OrderPlaced, tx: Tx) -> None:
        await handlers.on_order(fact, _said_at(tx), patients(tx))

    @consumer.on(OrderChanged)
    async def _(fact: OrderChanged, tx: Tx) -> None:
        await handlers.on_order(fact, _said_at(tx), patients(tx))

    @consumer.on(StudyReceived)
    async def _(fact: StudyReceived, tx: Tx) -> None:
        await handlers.on_study_received(fact, _said_at(tx), patients(tx))

    @consumer.on(PatientFollowed)
    async def _(fact: PatientFollowed, tx: Tx) -> None:
        followed_fact = tx.cause.causation_id if tx.cause else None
        await merging.on_followed(fact, followed_fact, patients(tx), merges(tx))

    @consumer.on(PatientVisitFollowed)
    async def _(fact: PatientVisitFollowed, tx: Tx) -> None:
        followed_fact = tx.cause.causation_id if tx.cause else None
        await visits.on_followed(fact, followed_fact, patients(tx), moves(tx))

    @consumer.on(PatientLinkFollowed)
    async def _(fact: PatientLinkFollowed, tx: Tx) -> None:
        followed_fact = tx.cause.causation_id if tx.cause else None
        await linking.on_followed(fact, followed_fact, patients(tx), work(tx).links)

    async def changed(fact: About, tx: Tx) -> None:
        await duplicates.look_at(fact.patient_id, work(tx))

    consumer.on(PatientRegistered)(changed)
    consumer.on(PatientUpdated)(changed)
    consumer.on(PatientMerged)(changed)
    consumer.on(PatientUnmerged)(changed)
    consumer.on(PatientLinked)(changed)
    consumer.on(PatientUnlinked)(changed)


def _said_at(tx: Tx) -> datetime:
    return tx.cause.time if tx.cause else datetime.now(UTC)
