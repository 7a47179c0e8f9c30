"""Looking exams up in PostgreSQL."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg import Pool, Record
from fj_events import PatientPhi

from portal_service.domain.exam import Exam
from portal_service.domain.exceptions import Dismissal, Kind, Raised
from portal_service.domain.timeline import Entry, in_order
from portal_service.ports import Found, Listed, Wanted

# Whose an exam is, by when its first fact was stated.
_WHOSE: Final = "survivor_of(e.patient_id, (SELECT min(at) FROM timeline AS t WHERE t.exam_id = e.exam_id))"
_EXAMS: Final = f"""
SELECT e.exam_id, e.picture, e.changed_at,
       coalesce(p.details, CASE WHEN w.patient_id <> e.patient_id THEN survivor_details(w.patient_id) END) AS patient
  FROM exams AS e CROSS JOIN LATERAL (SELECT {_WHOSE} AS patient_id) AS w
  LEFT JOIN patients AS p ON p.patient_id = w.patient_id
"""
# Under a number that was merged away all of the survivor's; under one that somebody else has now, only theirs.
_UNDER_NUMBER: Final = """
       e.exam_id IN (SELECT x.exam_id FROM exams AS x WHERE x.patient_number = $2
                     UNION SELECT x.exam_id FROM survivors_with($2) AS s, ids_of(s) AS i, exams AS x
                            WHERE x.patient_id = i)
       AND (e.patient_id IS NULL OR w.patient_id = survivor_of(e.patient_id, now()) AND e.patient_number = $2
            OR w.patient_id IN (SELECT survivors_with($2)))"""
# All of the person whom the number stands for by links too, under whichever of their numbers.
_PERSON: Final = """
SELECT same_person(known.id)
  FROM (SELECT p.patient_id FROM patients AS p WHERE p.details #>> '{id,value}' = $2
        UNION SELECT x.patient_id FROM exams AS x WHERE x.patient_number = $2
        UNION SELECT survivors_with($2)) AS known (id)"""
_UNDER_PERSON: Final = f"""
       e.exam_id IN (SELECT x.exam_id FROM exams AS x WHERE x.patient_id IN ({_PERSON}))
       AND w.patient_id IN ({_PERSON})"""
_FIND: Final = f"""
{_EXAMS}
 WHERE ($1::text IS NULL OR e.accession_number = $1)
   AND ($2::text IS NULL OR NOT $10 AND {_UNDER_NUMBER} OR $10 AND {_UNDER_PERSON})
   AND ($3::text IS NULL OR e.placer_order_number = $3)
   AND ($4::text IS NULL OR e.study_instance_uids @> ARRAY[$4])
   AND ($5::text IS NULL OR e.words LIKE $5)
   AND ($6::text IS NULL OR e.state = $6)
   AND ($7::text IS NULL OR $7 = ANY(e.modalities))
   AND ($8::text IS NULL OR e.site = $8)
 ORDER BY e.changed_at DESC, e.exam_id LIMIT $9
"""
_READ: Final = f"{_EXAMS} WHERE e.exam_id = (SELECT exam_id FROM names WHERE name = $1)"
_TIMELINE: Final = "SELECT * FROM timeline WHERE exam_id = ANY($1)"
_CHANGED: Final = "SELECT exam_id FROM exams WHERE changed_at > $1 ORDER BY changed_at LIMIT 1000"
# Who has looked at orders with one accession number has looked at each of them.
_ENTRIES: Final = f"""
FROM exceptions AS e LEFT JOIN LATERAL (
    SELECT d.* FROM dismissals AS d WHERE d.exception_id = e.event_id
    UNION ALL
    SELECT d.* FROM dismissals AS d
     WHERE e.kind = '{Kind.DUPLICATE_ACCESSION}' AND d.kind = e.kind AND d.about @> ARRAY[e.key] LIMIT 1) AS d ON true
"""
_ENTRY: Final = f"SELECT e.*, d.exception_id, d.actor, d.reason, d.at {_ENTRIES}"
_LISTED: Final = """
 WHERE ($1::text IS NULL OR e.kind = $1) AND ($2::text IS NULL OR e.site = $2)
   AND (d.exception_id IS NOT NULL) = $3"""
_EXCEPTIONS: Final = f"{_ENTRY}{_LISTED} ORDER BY e.since DESC, e.event_id LIMIT $4 OFFSET $5"
_EXCEPTIONS_TOTAL: Final = f"SELECT count(*) {_ENTRIES}{_LISTED}"
_OPEN: Final = f"SELECT e.kind, e.since {_ENTRIES} WHERE d.exception_id IS NULL"
_OVERLAP: Final = timedelta(seconds=2)
"""Transactions commit in another order than their clocks say; a change that is told twice does no harm."""


class PostgresExamBook:
    """See `portal_service.ports.ExamBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, wanted: Wanted) -> list[Found]:
        return await self._found(
            _FIND,
            wanted.accession,
            wanted.patient_id,
            wanted.placer_order_number,
            wanted.study_instance_uid,
            _contains(wanted.text),
            wanted.state,
            wanted.modality,
            wanted.site,
            wanted.limit,
            wanted.linked,
        )

    async def read(self, exam_id: str) -> Found | None:
        found = await self._found(_READ, exam_id)
        return found[0] if found else None

    async def exceptions(self, wanted: Listed) -> tuple[list[Raised], int]:
        asked = (wanted.kind, wanted.site, wanted.dismissed)
        rows = await self._pool.fetch(_EXCEPTIONS, *asked, wanted.limit, wanted.offset)
        total: int = await self._pool.fetchval(_EXCEPTIONS_TOTAL, *asked)
        return [_raised(row) for row in rows], total

    async def exception(self, event_id: UUID) -> Raised | None:
        row = await self._pool.fetchrow(f"{_ENTRY} WHERE e.event_id = $1", event_id)
        return _raised(row) if row else None

    async def exceptions_open(self) -> list[tuple[str, datetime]]:
        return [(row["kind"], row["since"]) for row in await self._pool.fetch(_OPEN)]

    async def sites_of_exceptions(self) -> list[str]:
        return [row["site"] for row in await self._pool.fetch("SELECT DISTINCT site FROM exceptions ORDER BY site")]

    async def changed_since(self, moment: datetime | None) -> tuple[datetime, list[str]]:
        newest: datetime = await self._pool.fetchval("SELECT coalesce(max(changed_at), to_timestamp(0)) FROM exams")
        if moment is None or newest <= moment:
            return newest, []
        return newest, [row["exam_id"] for row in await self._pool.fetch(_CHANGED, moment - _OVERLAP)]

    async def _found(self, exams: str, *given: object) -> list[Found]:
        """The exams of a query. Picture and timeline are of one moment: a fact is in both, or in neither."""
        async with self._pool.acquire() as moment, moment.transaction(isolation="repeatable_read", readonly=True):
            rows = await moment.fetch(exams, *given)
            entries = await moment.fetch(_TIMELINE, [row["exam_id"] for row in rows])
        timelines: dict[str, list[Entry]] = defaultdict(list)
        for row in entries:
            timelines[row["exam_id"]].append(_entry(row))
        found = []
        for row in rows:
            exam = Exam.model_validate_json(row["picture"])
            now = PatientPhi.model_validate_json(row["patient"], extra="ignore") if row["patient"] else exam.named
            timeline = in_order(timelines[row["exam_id"]])
            found.append(Found(exam=exam, patient=now, changed_at=row["changed_at"], timeline=timeline))
        return found


def _raised(row: Record) -> Raised:
    entry = dict(row)
    said = {name: entry.pop(name) for name in ("exception_id", "actor", "reason", "at")}
    return Raised(**entry, dismissal=Dismissal(**said) if said["exception_id"] else None)


def _contains(text: str | None) -> str | None:
    if not text or not text.strip():
        return None
    plain = text.strip().lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{plain}%"


def _entry(row: Record) -> Entry:
    return Entry(
        event_id=row["event_id"],
        at=row["at"],
        type=row["type"],
        site=row["site"],
        service=row["service"],
        summary=row["summary"],
        cause=row["cause"],
        actor=row["actor"],
    )
