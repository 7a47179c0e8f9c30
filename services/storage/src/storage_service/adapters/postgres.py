"""Assembly and matching in PostgreSQL, inside the transaction of a message or of the clock."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from fj_events import (
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
    InstancesStored,
    OrderChanged,
    OrderPlaced,
    PatientMerged,
    PatientPhi,
    PatientRegistered,
    PatientUnmerged,
    PatientUpdated,
    SeriesSummary,
    StudyAvailable,
    StudyConflicted,
    StudyDamaged,
    StudyMatched,
    StudyRelinked,
    StudyUnmatched,
)
from prometheus_client import Counter

from storage_service.adapters import current, exceptions, folding, keepings, moves, orders, rejections, sends, steps
from storage_service.adapters.orders import BESIDE, order_keys
from storage_service.adapters.registered import registered
from storage_service.adapters.routed import GET, KEPT, SAVE, kept, study_of
from storage_service.adapters.second_looks import see_now_or_again
from storage_service.adapters.sql import Database, columns, lock_known, lock_studies
from storage_service.adapters.summaries import series_of
from storage_service.domain.exceptional import Exceptional, ExceptionKind
from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.rejection import Note, Shown
from storage_service.domain.retirement import Retirement
from storage_service.domain.study import Arrival, PerformedEnd, Study

_completed: Final = Counter("storage_studies_completed", "Studies that became complete", ["completeness"])
_matched: Final = Counter("storage_studies_matched", "Studies that were matched to their orders", ["matched_by"])
_CANDIDATES: Final = f"""
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS a (uid, accession, issuer)
), bare AS (
    SELECT * FROM unnest($4::text[], $5::uuid[]) AS b (uid, patient)
), found AS (
    SELECT a.uid, o.* FROM asked a JOIN known_order o ON o.study_instance_uid = a.uid
     UNION SELECT a.uid, o.* FROM asked a
             JOIN known_order o ON o.accession_number = a.accession AND o.accession_issuer = a.issuer
     UNION SELECT b.uid, o.* FROM bare b JOIN known_order o ON o.open AND o.patient_id = b.patient
     UNION SELECT b.uid, o.* FROM bare b JOIN survivor v ON v.survivor_id = b.patient
             JOIN known_order o ON o.open AND o.patient_id = v.patient_id
)
SELECT o.*, {BESIDE} FROM found o LEFT JOIN exam ON exam.order_id = o.order_id
"""
_DUE: Final = """
SELECT study_instance_uid FROM study_route WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
# An order goes to another patient with its visit, and its studies with it.
_OF_ITS_PATIENT: Final = """
UPDATE study_route SET order_patient_id = $2 WHERE order_id = $1 AND order_patient_id IS DISTINCT FROM $2
"""
_WAITING_FOR_ORDER: Final = """
SELECT r.study_instance_uid FROM study_route r JOIN known_order o ON o.order_id = $1
 WHERE r.received_at IS NOT NULL AND r.order_id IS NULL
   AND (r.study_instance_uid = o.study_instance_uid
        OR (r.accession_number = o.accession_number AND r.accession_issuer = o.accession_issuer)
        OR (r.accession_number IS NULL AND r.patient_id = ANY(ARRAY(
               SELECT names_of(ARRAY(SELECT persons_of(o.patient_id, o.placed_at)))))))
"""
_WAITING_FOR_PATIENT: Final = """
WITH names AS MATERIALIZED (SELECT names_of(ARRAY(SELECT persons_of($1, now()))) AS id),
     ordered AS MATERIALIZED (SELECT o.* FROM names JOIN known_order o ON o.patient_id = names.id)
SELECT study_instance_uid FROM study_route
 WHERE received_at IS NOT NULL AND order_id IS NULL AND patient_id = ANY(ARRAY(SELECT id FROM names))
UNION
SELECT r.study_instance_uid FROM ordered o JOIN study_route r
    ON r.accession_number = o.accession_number AND r.accession_issuer = o.accession_issuer
 WHERE r.received_at IS NOT NULL AND r.order_id IS NULL
UNION
SELECT r.study_instance_uid FROM ordered o JOIN study_route r ON r.study_instance_uid = o.study_instance_uid
 WHERE r.received_at IS NOT NULL AND r.order_id IS NULL
"""
_OF_ORDER: Final = "SELECT study_instance_uid FROM study_route WHERE order_id = $1 AND received_at IS NOT NULL"


class PostgresStudies:
    """See `storage_service.ports.studies.Studies`. `emit` states a fact about a study of the transaction at hand."""

    def __init__(self, db: Database, emit: Callable[[Fact], UUID]) -> None:
        self._db = db
        self._emit = emit

    def emit(self, fact: Fact) -> None:
        self._emit(fact)
        if isinstance(fact, StudyAvailable):
            _completed.labels(fact.completeness).inc()
        elif isinstance(fact, StudyMatched):
            _matched.labels(fact.matched_by).inc()

    async def report(
        self, fact: StudyConflicted | StudyDamaged | StudyRelinked | StudyUnmatched, entry: Exceptional
    ) -> None:
        await exceptions.put(self._db, fact, entry, self._emit(fact))

    async def resolve(self, study_instance_uid: str, kind: ExceptionKind) -> bool:
        return await exceptions.resolve(self._db, study_instance_uid, kind)

    async def add_instances(self, facts: Sequence[InstancesStored], heard_at: datetime) -> dict[str, Arrival]:
        return await folding.add_instances(self._db, facts, heard_at)

    async def still_kept(self, facts: Sequence[InstancesStored]) -> list[InstancesStored]:
        return await moves.still_kept(self._db, facts)

    async def recall(self, study_instance_uid: str, now: datetime) -> tuple[Retirement, Shown] | None:
        return await keepings.recall_returned(self._db, study_instance_uid, now)

    async def get(self, study_instance_uids: Collection[str]) -> list[Study]:
        uids = list(study_instance_uids)
        await lock_studies(self._db, uids)
        return await self.with_progress([study_of(row) for row in await self._db.fetch(GET, uids)])

    async def save(self, studies: Sequence[Study]) -> None:
        rows = [(study.study_instance_uid, *kept(study)) for study in studies]
        saved = await self._db.fetch(SAVE, *columns(rows, 1 + len(KEPT)))
        if moved := [row["uid"] for row in saved if row["moved"]]:
            await see_now_or_again(self._db, moved)
        # Who may not see what is in doubt was not sent it.
        await self.mark_for_routing([row["uid"] for row in saved if row["cleared"]])

    async def with_progress(self, studies: Sequence[Study]) -> list[Study]:
        return await steps.with_progress(self._db, studies)

    async def series(self, study_instance_uids: Collection[str]) -> dict[str, list[SeriesSummary]]:
        return await series_of(self._db, study_instance_uids)

    async def candidates(self, keys: Sequence[StudyKeys]) -> dict[str, list[OrderKeys]]:
        asked = [
            (
                one.study_instance_uid,
                *((number.value, number.issuer) if (number := one.accession_number) else (None, None)),
            )
            for one in keys
        ]
        bare = [
            (one.study_instance_uid, patient) for one in keys if not one.accession_number for patient in one.patient_ids
        ]
        found: dict[str, list[OrderKeys]] = defaultdict(list)
        for row in await self._db.fetch(_CANDIDATES, *columns(asked, 3), *columns(bare, 2)):
            found[row["uid"]].append(order_keys(row))
        return found

    async def due(self, now: datetime, most: int) -> list[str]:
        return [row["study_instance_uid"] for row in await self._db.fetch(_DUE, now, most)]

    async def put_order(self, fact: OrderPlaced | OrderChanged, placed_at: datetime, day: date) -> None:
        await lock_known(self._db, [fact.patient_id, fact.order_id])
        own = [row["study_instance_uid"] for row in await self._db.fetch(_OF_ORDER, fact.order_id)]
        await lock_studies(self._db, [fact.study_instance_uid, *own])
        await orders.put(self._db, fact, placed_at, day)
        if own:
            await self._db.execute(_OF_ITS_PATIENT, fact.order_id, fact.patient_id)
            await current.see(self._db, own)

    async def set_order_open(self, order_id: UUID, *, open_: bool) -> None:
        await self._db.execute("UPDATE known_order SET open = $2 WHERE order_id = $1", order_id, open_)

    async def waiting_for_order(self, order_id: UUID) -> list[str]:
        return [row["study_instance_uid"] for row in await self._db.fetch(_WAITING_FOR_ORDER, order_id)]

    async def waiting_for_patient(self, patient_id: UUID) -> list[str]:
        return [row["study_instance_uid"] for row in await self._db.fetch(_WAITING_FOR_PATIENT, patient_id)]

    async def registered(self, study_instance_uids: Collection[str]) -> dict[str, list[PatientPhi]]:
        return await registered(self._db, study_instance_uids)

    async def plan_exam(self, fact: ExamScheduled | ExamRescheduled) -> None:
        await steps.plan_exam(self._db, fact)

    async def start_exam(self, fact: ExamStarted, heard_at: datetime) -> list[str]:
        return await steps.start_exam(self._db, fact, heard_at)

    async def end_exam(self, end: PerformedEnd, heard_at: datetime) -> list[str]:
        return await steps.end_exam(self._db, end, heard_at)

    async def put_patient(self, fact: PatientRegistered | PatientUpdated, aliases: Sequence[UUID]) -> None:
        await lock_known(self._db, {fact.patient_id, *aliases})
        await self._db.execute("DELETE FROM patient_alias WHERE patient_id = $1", fact.patient_id)
        await self._db.execute(
            "INSERT INTO patient_alias (alias, patient_id) SELECT unnest($2::uuid[]), $1"
            " ON CONFLICT (alias) DO UPDATE SET patient_id = excluded.patient_id",
            fact.patient_id,
            aliases,
        )
        if not fact.provisional:
            await current.put_patient(self._db, fact.patient_id, fact.patient)

    async def patient_moved(self, fact: PatientMerged | PatientUnmerged) -> None:
        await current.follow(self._db, fact.holders, fact.patient_id)

    async def mark_for_routing(self, study_instance_uids: Collection[str]) -> None:
        if study_instance_uids:
            await sends.mark(self._db, list(study_instance_uids))

    async def expect_notes(self, notes: Sequence[Note]) -> None:
        await rejections.expect(self._db, notes)
