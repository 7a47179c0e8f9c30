"""Exams looked up from outside of any transaction."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from asyncpg import Record
from fj_events import PatientPhi

from scheduling_service.adapters.records import EXAMS, exam_of, step_of
from scheduling_service.adapters.visits import visit_of
from scheduling_service.domain.exam import Exam, Wanted, WantedSteps
from scheduling_service.domain.slots import Span
from scheduling_service.domain.step import Step
from scheduling_service.domain.visit import Visit

if TYPE_CHECKING:
    from fj_runtime.database import Pool

# With who the patient is after a merge; without one, as the order says.
SHOWN: Final = EXAMS.replace(
    "\n  FROM exam e",
    """,
       (SELECT coalesce(nullif(p.patient, '{}'), survivor_details(w))::text
          FROM survivor_of(e.patient_id, e.recorded_at) AS w LEFT JOIN patient p ON p.patient_id = w
         WHERE w <> e.patient_id) AS survivor
  FROM exam e""",
)
_FIND: Final = f"""{SHOWN}
 WHERE ($1::text IS NULL OR e.site = $1) AND ($2::text IS NULL OR e.state = $2)
   AND ($3::uuid IS NULL OR e.order_id = $3 OR e.linked_to = $3)
   AND ($4::text IS NULL OR e.accession_number = $4)
   AND ($5::text IS NULL OR e.study_instance_uid = $5 OR e.ordered_study_uid = $5)
 ORDER BY e.created_at DESC LIMIT $6
"""

_FIND_STEPS: Final = """
SELECT exam_key, state, plan::text,
       EXISTS (SELECT FROM occupied o WHERE o.exam_key = step.exam_key AND o.number = step.number) AS booked
  FROM step
 WHERE ($1::text IS NULL OR site = $1) AND ($2::text IS NULL OR state = $2)
   AND ($3::text IS NULL OR station_ae_title = $3) AND ($4::text IS NULL OR modality = $4)
   AND ($5::timestamptz IS NULL OR starts_at >= $5) AND ($6::timestamptz IS NULL OR starts_at < $6)
 ORDER BY starts_at, exam_key, number LIMIT $7
"""

_AT_STATION: Final = f"""{SHOWN}
 WHERE e.exam_key IN (SELECT exam_key FROM step WHERE site = $1 AND station_ae_title = ANY($2)
                         AND starts_at >= $3 AND starts_at < $4)
"""
_VISITS: Final = """
SELECT exam_key, visit FROM exam,
       visit_of(ordered #>> '{details,clinical,visit_number,value}',
                ordered #>> '{details,clinical,visit_number,issuer}', survivor_of(patient_id, recorded_at)) AS visit
 WHERE exam_key = ANY($1) AND visit IS NOT NULL
"""


class PostgresExamBook:
    """See `scheduling_service.ports.ExamBook`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def read(self, key: str) -> Exam | None:
        row = await self._pool.fetchrow(f"{SHOWN} WHERE e.exam_key = $1", key)
        return None if row is None else shown(row)

    async def find(self, wanted: Wanted, limit: int) -> list[Exam]:
        rows = await self._pool.fetch(
            _FIND,
            wanted.site,
            wanted.state,
            wanted.order_id,
            wanted.accession_number,
            wanted.study_instance_uid,
            limit,
        )
        return [shown(row) for row in rows]

    async def at_station(self, site: str, ae_titles: Collection[str], within: Span) -> list[Exam]:
        rows = await self._pool.fetch(_AT_STATION, site, list(ae_titles), within.start, within.end)
        return [shown(row) for row in rows]

    async def visits_of(self, exam_keys: Collection[str]) -> Mapping[str, Visit]:
        rows = await self._pool.fetch(_VISITS, list(exam_keys))
        return {row["exam_key"]: visit for row in rows if (visit := visit_of(row["visit"]))}

    async def find_steps(self, wanted: WantedSteps, limit: int) -> list[tuple[str, Step]]:
        rows = await self._pool.fetch(
            _FIND_STEPS,
            wanted.site,
            wanted.state,
            wanted.station_ae_title,
            wanted.modality,
            wanted.starts_from,
            wanted.starts_before,
            limit,
        )
        return [(row["exam_key"], step_of(row["state"], row["plan"], booked=row["booked"])) for row in rows]


def shown(row: Record) -> Exam:
    """A row of SHOWN."""
    exam = exam_of(row)
    if row["survivor"] is None or exam.ordered is None:
        return exam
    survivor = PatientPhi.model_validate_json(row["survivor"], extra="ignore")
    details = exam.ordered.details.model_copy(update={"patient": survivor})
    return replace(exam, ordered=replace(exam.ordered, details=details))
