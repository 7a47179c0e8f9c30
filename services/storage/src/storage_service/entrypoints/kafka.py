"""Which facts `storage` listens to, and the handler of each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from fj_bus import Connection, Consumer, Tx
from fj_events import (
    CommitmentRequested,
    Evidence,
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
    InstancesForgotten,
    InstancesStored,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderPlaced,
    OrderReinstated,
    PatientRegistered,
    PatientUpdated,
)
from fj_runtime import Sites
from fj_survivors import Former, Moved, follow, follow_visit
from prometheus_client import Counter

from storage_service import handlers, linking, parting, retiring
from storage_service.domain.assembly import StepState
from storage_service.domain.study import PerformedEnd
from storage_service.handlers import Work
from storage_service.ports.keeping import Keepings
from storage_service.ports.links import Links
from storage_service.ports.parting import Partings
from storage_service.ports.studies import InstanceLists

_instances: Final = Counter(
    "storage_instances", "Instances of instance.stored facts, by what became of them", ["became"]
)


Emit: TypeAlias = Callable[[Fact], UUID]
BeginSlice: TypeAlias = Callable[[Connection, Emit], Work]
Begin: TypeAlias = Callable[[Tx], Work]
KeepCommitment: TypeAlias = Callable[[Connection, CommitmentRequested], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Aids:
    """What handlers need besides their stores."""

    lists: InstanceLists
    sites: Sites
    namespace: UUID
    """Of patient ids."""
    links: Callable[[Connection], Links]
    partings: Callable[[Connection], Partings]
    keepings: Callable[[Tx], Keepings]


def subscribe(consumer: Consumer, work: BeginSlice, keep: KeepCommitment, aids: Aids) -> None:
    """Bind every fact. `work` begins the handling of one or several; `keep` takes a storage commitment request."""

    def one(tx: Tx) -> Work:
        return work(tx.connection, tx.emit)

    _images(consumer, work)
    _forgetting(consumer, aids.keepings)
    _commitments(consumer, keep)
    _orders(consumer, one, aids)
    _exams(consumer, one, aids.lists)
    _patients(consumer, one, aids)


class _Slice:
    """The instance facts of one transaction: many arrive together, and are indexed together."""

    def __init__(self, work: BeginSlice) -> None:
        self._work = work
        self._facts: list[InstancesStored] = []
        self._txs: dict[str, Tx] = {}

    def add(self, fact: InstancesStored, tx: Tx) -> None:
        self._facts.append(fact)
        self._txs[fact.study_instance_uid] = tx

    async def flush(self, connection: Connection) -> None:
        # What is told of a study was caused by the last fact about it.
        work = self._work(connection, lambda told: self._txs[told.key].emit(told))
        arrivals = (await handlers.on_instances_stored(self._facts, work)).values()
        added, conflicting = sum(a.added for a in arrivals), sum(len(a.conflicts) for a in arrivals)
        _instances.labels("indexed").inc(added)
        _instances.labels("conflicting").inc(conflicting)
        _instances.labels("known").inc(sum(len(fact.instances) for fact in self._facts) - added - conflicting)


def _images(consumer: Consumer, work: BeginSlice) -> None:
    def begin() -> _Slice:
        return _Slice(work)

    @consumer.on(InstancesStored)
    async def _(fact: InstancesStored, tx: Tx) -> None:
        tx.batch(begin).add(fact, tx)


def _forgetting(consumer: Consumer, keepings: Callable[[Tx], Keepings]) -> None:
    @consumer.on(InstancesForgotten)
    async def _(fact: InstancesForgotten, tx: Tx) -> None:
        await retiring.on_forgotten(fact, keepings(tx), datetime.now(UTC))


def _commitments(consumer: Consumer, keep: KeepCommitment) -> None:
    @consumer.on(CommitmentRequested)
    async def _(fact: CommitmentRequested, tx: Tx) -> None:
        await keep(tx.connection, fact)


def _orders(consumer: Consumer, work: Begin, aids: Aids) -> None:
    @consumer.on(OrderPlaced)
    async def _(fact: OrderPlaced, tx: Tx) -> None:
        await linking.on_order_placed(fact, *moments(fact, tx), aids.links(tx.connection), work(tx))

    @consumer.on(OrderChanged)
    async def _(fact: OrderChanged, tx: Tx) -> None:
        await handlers.on_order_known(fact, *moments(fact, tx), work(tx))
        follow_visit(fact, consumer, tx)

    @consumer.on(OrderCancelled)
    async def _(fact: OrderCancelled, tx: Tx) -> None:
        await handlers.on_order_ended(fact, work(tx))

    @consumer.on(OrderCompleted)
    async def _(fact: OrderCompleted, tx: Tx) -> None:
        await handlers.on_order_ended(fact, work(tx))

    @consumer.on(OrderReinstated)
    async def _(fact: OrderReinstated, tx: Tx) -> None:
        await handlers.on_order_reinstated(fact, work(tx))

    def moments(fact: OrderPlaced | OrderChanged, tx: Tx) -> tuple[datetime, date]:
        placed_at = _time_of(tx)
        return placed_at, _day(fact.asked_for or placed_at, fact.site, aids.sites)


def _exams(consumer: Consumer, work: Begin, lists: InstanceLists) -> None:
    @consumer.on(ExamScheduled)
    async def _(fact: ExamScheduled, tx: Tx) -> None:
        await handlers.on_exam_planned(fact, work(tx))

    @consumer.on(ExamRescheduled)
    async def _(fact: ExamRescheduled, tx: Tx) -> None:
        await handlers.on_exam_planned(fact, work(tx))

    @consumer.on(ExamStarted)
    async def _(fact: ExamStarted, tx: Tx) -> None:
        await handlers.on_exam_started(fact, work(tx))

    async def ended(fact: ExamCompleted | ExamDiscontinued | ExamPutBack, tx: Tx) -> None:
        # An end that rests on images says nothing new.
        if isinstance(fact, ExamPutBack) or fact.evidence == Evidence.MPPS:
            await handlers.on_exam_ended(await _end(fact, _time_of(tx), lists), work(tx))

    consumer.on(ExamCompleted)(ended)
    consumer.on(ExamDiscontinued)(ended)
    consumer.on(ExamPutBack)(ended)


async def _end(
    fact: ExamCompleted | ExamDiscontinued | ExamPutBack, at: datetime, lists: InstanceLists
) -> PerformedEnd:
    """Nobody works on what was put back: what was made under the wrong entry is complete when it is quiet."""
    listed: tuple[str, ...] = ()
    if not isinstance(fact, ExamPutBack):
        inline = tuple(uid for series in fact.series for uid in series.instances)
        listed = await lists.read(fact.instance_list) if fact.instance_list else inline
    return PerformedEnd(
        exam_key=fact.exam_key,
        order_id=fact.order_id,
        study_instance_uid=fact.study_instance_uid,
        state=StepState.COMPLETED if isinstance(fact, ExamCompleted) else StepState.DISCONTINUED,
        ended_at=at,
        listed=listed,
    )


def _patients(consumer: Consumer, work: Begin, aids: Aids) -> None:
    @consumer.on(PatientRegistered)
    async def _(fact: PatientRegistered, tx: Tx) -> None:
        await handlers.on_patient(fact, aids.namespace, work(tx))

    @consumer.on(PatientUpdated)
    async def _(fact: PatientUpdated, tx: Tx) -> None:
        await handlers.on_patient(fact, aids.namespace, work(tx))

    async def moved(fact: Moved, tx: Tx) -> None:
        await handlers.on_patient_moved(fact, work(tx))

    async def parted(fact: Moved, former: Former, tx: Tx) -> None:
        await parting.on_patient_parted(fact, former, aids.partings(tx.connection), work(tx))

    follow(consumer, moved, parted)


def _time_of(tx: Tx) -> datetime:
    """When the fact became one; that of a consumer always has a cause."""
    return tx.cause.time if tx.cause else datetime.now(UTC)


def _day(at: datetime, site: str, sites: Sites) -> date:
    try:
        zone = sites[site].time_zone
    except KeyError:
        zone = sites.main.time_zone
    return at.astimezone(ZoneInfo(zone)).date()
