"""The delivery ledger in PostgreSQL."""

import hashlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from fj_bus import Tx
from fj_events import DeliveryKind, Fact, PatientPhi, from_body, to_body

from ehr_sync_service.domain.correction import Result
from ehr_sync_service.domain.delivery import Delivery, Fault, State
from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.records import OrderRecord, PatientRecord, StudyRecord
from ehr_sync_service.domain.subject import Errand, Subject
from ehr_sync_service.domain.telling import Telling

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

_COLUMNS: Final = """d.delivery_id, d.destination, d.queue, d.fact_type, d.fact, d.happened_at, d.control_id,
    d.kind, d.control, d.status, d.version, d.plan, d.withdrawn_from, d.written_at, d.next_attempt_at, d.state,
    d.attempts, d.refusals, d.last_fault, d.last_error, d.actor, d.message"""
_ADD: Final = """
INSERT INTO deliveries (delivery_id, destination, kind, queue, exam_key, order_id, report_id, report_version, fact_type,
    fact, happened_at, control_id, state, written_at, next_attempt_at, attempts, refusals, last_fault, last_error,
    actor, control, status, version, plan, withdrawn_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23, $24, $25)
ON CONFLICT (delivery_id) DO NOTHING"""
_SAVE: Final = """
UPDATE deliveries SET state = $2, written_at = $3, next_attempt_at = $4, attempts = $5, refusals = $6, last_fault = $7,
    last_error = $8, actor = $9, closed_at = CASE WHEN $2 = 'pending' THEN NULL ELSE now() END
WHERE delivery_id = $1"""
# A report that was another order's waits until it is known here that it is withdrawn there.
_KNOWN: Final = """((d.order_id IS NULL OR EXISTS (SELECT FROM orders o WHERE o.order_id = d.order_id))
    AND (NOT d.fact ? 'moved_from' OR EXISTS (
        SELECT FROM reports r WHERE r.report_id = (d.fact #>> '{moved_from,report_id}')::uuid
           AND r.version >= (d.fact #>> '{moved_from,version}')::integer)))"""
# … and until the destination has heard that, or will not hear it any more. So does a version in the order's name after
# those in the study's, which are in another queue: no preliminary comes after the final.
_FREE: Final = """(NOT d.fact ? 'moved_from' OR NOT EXISTS (
    SELECT FROM deliveries w WHERE w.destination = d.destination AND w.state = 'pending'
       AND w.report_id = (d.fact #>> '{moved_from,report_id}')::uuid
       AND w.report_version <= (d.fact #>> '{moved_from,version}')::integer))
    AND NOT EXISTS (
    SELECT FROM deliveries v WHERE v.destination = d.destination AND v.state = 'pending'
       AND v.report_id = d.report_id AND v.report_version < d.report_version)"""
# The heads of queues that are due and whose order is known, but for queues in which something is on its way;
# with what their messages are about.
_DUE: Final = f"""
WITH d AS (
SELECT * FROM deliveries d
WHERE d.destination = $1 AND d.state = 'pending' AND d.next_attempt_at <= $2 AND d.queue <> ALL($3::text[])
  AND NOT EXISTS (SELECT FROM deliveries e WHERE e.destination = d.destination AND e.queue = d.queue
                  AND e.state = 'pending' AND e.position < d.position)
  AND {_KNOWN} AND {_FREE}
ORDER BY d.next_attempt_at, d.position LIMIT $4)
SELECT {_COLUMNS}, o.body AS order_body, p.body AS patient_body, s.body AS study_body,
    p.patient_id <> coalesce(o.patient_id, (d.fact ->> 'patient_id')::uuid) AS moved,
    coalesce(o.patient_id, (d.fact ->> 'patient_id')::uuid) AS claimed
FROM d LEFT JOIN orders o ON o.order_id = d.order_id
    LEFT JOIN patients p ON p.patient_id = survivor_of(coalesce(o.patient_id, (d.fact ->> 'patient_id')::uuid),
                                                              coalesce(o.placed_at, d.happened_at))
    LEFT JOIN studies s ON s.study_instance_uid = d.fact -> 'study_instance_uids' ->> 0
ORDER BY d.next_attempt_at, d.position"""
_LOST: Final = f"""
SELECT {_COLUMNS} FROM deliveries d
WHERE d.state = 'pending' AND d.written_at < $1 AND (d.destination <> ALL($2::text[]) OR NOT {_KNOWN})
ORDER BY d.position LIMIT 500 FOR UPDATE OF d SKIP LOCKED"""
_LIST: Final = f"""
SELECT {_COLUMNS} FROM deliveries d
WHERE ($1::text IS NULL OR d.exam_key = $1) AND ($2::text IS NULL OR d.destination = $2)
  AND ($3::text IS NULL OR d.state = $3)
ORDER BY d.position DESC LIMIT $4"""
# What heads its queue may be under way this instant, before its message is kept, so that nobody knows whom it names.
_WRITTEN: Final = f"""
SELECT {_COLUMNS}, d.state = 'delivered' OR d.message IS NOT NULL OR d.state = 'pending' AND NOT EXISTS (
           SELECT FROM deliveries e WHERE e.destination = d.destination AND e.queue = d.queue
              AND e.state = 'pending' AND e.position < d.position) AS told,
       d.named, survivor_of(d.named, o.placed_at) <> survivor_of(o.patient_id, o.placed_at) AS misnamed
  FROM deliveries d LEFT JOIN orders o USING (order_id)"""
_RESULTS: Final = f"{_WRITTEN} WHERE d.order_id = $1 AND d.kind = 'results' ORDER BY d.position FOR UPDATE OF d"
_PROCEDURES: Final = f"{_WRITTEN} WHERE o.patient_id = $1 AND d.kind = 'procedures' ORDER BY d.position FOR UPDATE OF d"
_WITH_RESULTS: Final = """
SELECT order_id FROM orders o WHERE patient_id = $1
   AND EXISTS (SELECT FROM deliveries d WHERE d.order_id = o.order_id AND d.kind = 'results')
 ORDER BY order_id"""
_PENDING: Final = """
SELECT destination, count(*) AS pending, min(written_at) AS oldest FROM deliveries
WHERE state = 'pending' GROUP BY destination"""


class PostgresLedger:
    """See `ehr_sync_service.ports.Ledger`. `hint` is called after a commit that wrote deliveries."""

    def __init__(self, tx: Tx, hint: Callable[[], None] | None = None) -> None:
        self._tx = tx
        self._hint = hint

    async def add(self, delivery: Delivery) -> None:
        if not self._tx.emits:
            return  # a rebuild tells nobody anything
        if self._hint is not None:
            self._tx.afterwards(self._hint)
        report_id, version = delivery.report or (None, None)
        await self._tx.connection.execute(
            _ADD,
            delivery.delivery_id,
            delivery.destination,
            delivery.telling.kind,
            delivery.queue,
            delivery.exam_key,
            delivery.order_id,
            report_id,
            version,
            delivery.fact.fact_type,
            to_body(delivery.fact).decode(),
            delivery.happened_at,
            delivery.control_id,
            delivery.state,
            delivery.written_at,
            delivery.next_attempt_at,
            delivery.attempts,
            delivery.refusals,
            delivery.last_fault,
            delivery.last_error,
            delivery.actor,
            delivery.telling.control,
            delivery.telling.status,
            delivery.version,
            delivery.plan.model_dump_json(exclude_none=True) if delivery.plan else None,
            delivery.withdrawn_from.model_dump_json(exclude_none=True) if delivery.withdrawn_from else None,
        )

    async def take(self, delivery_id: UUID) -> Delivery | None:
        query = f"SELECT {_COLUMNS} FROM deliveries d WHERE delivery_id = $1 FOR UPDATE"
        row = await self._tx.connection.fetchrow(query, delivery_id)
        return _delivery(row) if row else None

    async def save(self, delivery: Delivery) -> None:
        await self._tx.connection.execute(
            _SAVE,
            delivery.delivery_id,
            delivery.state,
            delivery.written_at,
            delivery.next_attempt_at,
            delivery.attempts,
            delivery.refusals,
            delivery.last_fault,
            delivery.last_error,
            delivery.actor,
        )

    async def results(self, order_id: UUID) -> list[Result]:
        return [_result(row) for row in await self._tx.connection.fetch(_RESULTS, order_id)]

    async def procedures(self, patient_id: UUID) -> list[Result]:
        return [_result(row) for row in await self._tx.connection.fetch(_PROCEDURES, patient_id)]

    async def with_results(self, patient_id: UUID) -> list[UUID]:
        return [row["order_id"] for row in await self._tx.connection.fetch(_WITH_RESULTS, patient_id)]

    async def newest_delivered(self, destination: str, report_id: UUID) -> int | None:
        query = """SELECT max(report_version) FROM deliveries
            WHERE destination = $1 AND report_id = $2 AND state = 'delivered'"""
        newest: int | None = await self._tx.connection.fetchval(query, destination, report_id)
        return newest

    async def take_lost(self, before: datetime, served: Collection[str]) -> list[Delivery]:
        rows = await self._tx.connection.fetch(_LOST, before, list(served))
        return [_delivery(row) for row in rows]

    def emit(self, fact: Fact) -> None:
        self._tx.emit(fact)


class PostgresBacklog:
    """See `ehr_sync_service.entrypoints.courier.Backlog`, and the reader that the operator's API needs."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def due(self, destination: str, now: datetime, busy: Collection[str], limit: int) -> list[Errand]:
        rows = await self._pool.fetch(_DUE, destination, now, list(busy), limit)
        return [Errand(_delivery(row), _subject(row)) for row in rows]

    async def keep_message(self, delivery_id: UUID, message: bytes, named: UUID | None) -> bytes:
        query = """UPDATE deliveries SET message = coalesce(message, $2),
                                         named = CASE WHEN message IS NULL THEN $3 ELSE named END
            WHERE delivery_id = $1 RETURNING message"""
        kept: bytes = await self._pool.fetchval(query, delivery_id, message, named)
        return kept

    async def hurry(self, destination: str, now: datetime) -> None:
        query = """UPDATE deliveries SET next_attempt_at = $2
            WHERE destination = $1 AND state = 'pending' AND next_attempt_at > $2 AND last_fault = $3"""
        await self._pool.execute(query, destination, now, Fault.UNREACHABLE)

    async def pending(self) -> dict[str, tuple[int, datetime]]:
        return {row["destination"]: (row["pending"], row["oldest"]) for row in await self._pool.fetch(_PENDING)}

    async def find(self, *, exam: str | None, destination: str | None, state: str | None, limit: int) -> list[Delivery]:
        rows = await self._pool.fetch(_LIST, exam, destination, state, limit)
        return [_delivery(row) for row in rows]

    async def read(self, delivery_id: UUID) -> Delivery | None:
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM deliveries d WHERE delivery_id = $1", delivery_id)
        return _delivery(row) if row else None

    @asynccontextmanager
    async def claims(self) -> AsyncIterator["Claims"]:
        async with self._pool.acquire() as connection:
            try:
                yield Claims(connection)
            finally:
                connection.terminate()  # the locks end with its session


class Claims:
    """Which destinations this process serves: a lock each, held by one session, free again when the session ends."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def claim(self, destination: str) -> bool:
        """Whether the destination is ours from now on."""
        taken: bool = await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", _lock(destination))
        return taken

    async def confirm(self) -> None:
        """Raises when the session, and so every claim, is lost."""
        await self._connection.execute("SELECT 1")


def _lock(destination: str) -> int:
    digest = hashlib.blake2b(f"ehr_sync destination {destination}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _subject(row: asyncpg.Record) -> Subject:
    order, patient, study = row["order_body"], row["patient_body"], row["study_body"]
    return Subject(
        order=OrderRecord.model_validate_json(order) if order else None,
        patient=PatientRecord.model_validate_json(patient) if patient else None,
        study=StudyRecord.model_validate_json(study) if study else None,
        moved=bool(row["moved"]),
        claimed=row["claimed"],
    )


def _result(row: asyncpg.Record) -> Result:
    return Result(_delivery(row), row["told"], row["named"], bool(row["misnamed"]))


def _delivery(row: asyncpg.Record) -> Delivery:
    fact: Any = from_body(row["fact_type"], row["fact"].encode())
    return Delivery(
        delivery_id=row["delivery_id"],
        destination=row["destination"],
        queue=row["queue"],
        fact=fact,
        telling=Telling(DeliveryKind(row["kind"]), row["control"], row["status"]),
        version=row["version"],
        plan=PlanRecord.model_validate_json(row["plan"]) if row["plan"] else None,
        withdrawn_from=PatientPhi.model_validate_json(whom, extra="ignore")
        if (whom := row["withdrawn_from"])
        else None,
        happened_at=row["happened_at"],
        control_id=row["control_id"],
        written_at=row["written_at"],
        next_attempt_at=row["next_attempt_at"],
        state=State(row["state"]),
        attempts=row["attempts"],
        refusals=row["refusals"],
        last_fault=Fault(row["last_fault"]) if row["last_fault"] else None,
        last_error=row["last_error"],
        actor=row["actor"],
        message=row["message"],
    )
