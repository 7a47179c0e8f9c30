"""Appointments looked up in PostgreSQL, as somebody asks for them in terms of FHIR."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from uuid import UUID

from asyncpg import Record

from scheduling_service.adapters.book import SHOWN, shown
from scheduling_service.domain.appointed import Appointed, Bound, WantedAppointments

if TYPE_CHECKING:
    from fj_runtime.database import Pool

_COLUMNS: Final = ", survivor_of(e.patient_id, e.recorded_at) AS whose, e.changed_at\n  FROM exam e"
_APPOINTED: Final = _COLUMNS.join(SHOWN.rsplit("\n  FROM exam e", 1)) + " WHERE e.ordered IS NOT NULL"
# As domain.appointed.status_of has it.
_STATUS: Final = """CASE
    WHEN e.waits_since IS NOT NULL THEN 'waitlist'
    WHEN e.state = 'SCHEDULED' AND EXISTS (SELECT FROM occupied o WHERE o.exam_key = e.exam_key) THEN 'booked'
    WHEN e.state = 'ARRIVED' THEN 'arrived'
    WHEN e.state = 'MISSED' THEN 'noshow'
    WHEN e.state IN ('STARTED', 'COMPLETED', 'DISCONTINUED') THEN 'fulfilled'
    WHEN e.state = 'CANCELLED' THEN 'cancelled'
    ELSE 'proposed' END"""
_START: Final = "(SELECT s.starts_at FROM step s WHERE s.exam_key = e.exam_key AND s.number = 0)"
_STARTS: Final = "e.exam_key IN (SELECT s.exam_key FROM step s WHERE s.number = 0 AND ({}))"
_PATIENT: Final = """(e.patient_id IN (SELECT ids_of(p) FROM unnest({0}::uuid[]) AS p)
    AND survivor_of(e.patient_id, e.recorded_at) IN (SELECT survivor_of(p, now()) FROM unnest({0}::uuid[]) AS p))"""
# All under whom a number may stand: as registration has it, as it was merged away, as an order named it.
_KNOWN_AS: Final = """(
    SELECT p.patient_id FROM patient p WHERE p.patient #>> '{{id,value}}' = {1}
       AND ({0}::text IS NULL OR p.patient #>> '{{id,issuer}}' = {0})
    UNION SELECT s.patient_id FROM survivor s WHERE s.patient #>> '{{id,value}}' = {1}
       AND ({0}::text IS NULL OR s.patient #>> '{{id,issuer}}' = {0})
    UNION SELECT o.patient_id FROM exam o WHERE o.ordered #>> '{{details,patient,id,value}}' = {1}
       AND ({0}::text IS NULL OR o.ordered #>> '{{details,patient,id,issuer}}' = {0}))"""
_PATIENT_NUMBER: Final = f"""(e.patient_id IN (SELECT ids_of(k.patient_id) FROM {_KNOWN_AS} AS k)
    AND survivor_of(e.patient_id, e.recorded_at) IN (SELECT survivor_of(k.patient_id, now()) FROM {_KNOWN_AS} AS k))"""
_NUMBER: Final = """(e.accession_number = {1}
        AND ({0}::text IS NULL OR e.ordered #>> '{{details,accession_number,issuer}}' = {0})
    OR e.ordered #>> '{{details,placer_order_number,value}}' = {1}
        AND ({0}::text IS NULL OR e.ordered #>> '{{details,placer_order_number,issuer}}' = {0}))"""


class PostgresAppointments:
    """See `scheduling_service.ports.Appointments`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def read(self, order_id: UUID) -> Appointed | None:
        row = await self._pool.fetchrow(f"{_APPOINTED} AND e.order_id = $1", order_id)
        return None if row is None else _appointed(row)

    async def find(self, wanted: WantedAppointments) -> list[Appointed]:
        asked = _Conditions(wanted)
        by = "e.changed_at" if wanted.by_change else _START
        way = "DESC" if wanted.newest_first else "ASC"
        rows = await self._pool.fetch(
            f"{_APPOINTED} {asked.text} ORDER BY {by} {way}, e.exam_key"
            f" LIMIT {wanted.limit:d} OFFSET {wanted.offset:d}",
            *asked.values,
        )
        return [_appointed(row) for row in rows]

    async def count(self, wanted: WantedAppointments) -> int:
        asked = _Conditions(wanted)
        found: int = await self._pool.fetchval(
            f"SELECT count(*) FROM exam e WHERE e.ordered IS NOT NULL {asked.text}", *asked.values
        )
        return found


class _Conditions:
    """What has to hold, as SQL, and its values."""

    def __init__(self, wanted: WantedAppointments) -> None:
        self.values: list[object] = []
        conditions = [f"e.order_id = ANY({self._add(list(ids))}::uuid[])" for ids in wanted.order_ids]
        conditions += [_PATIENT.format(self._add(list(ids))) for ids in wanted.patient_ids]
        conditions += [self._numbers(_PATIENT_NUMBER, numbers) for numbers in wanted.patient_numbers]
        conditions += [f"{_STATUS} = ANY({self._add(list(codes))}::text[])" for codes in wanted.statuses]
        conditions += [self._numbers(_NUMBER, numbers) for numbers in wanted.numbers]
        conditions += [_STARTS.format(self._bounds("s.starts_at", group)) for group in wanted.starts]
        conditions += [f"({self._bounds('e.changed_at', group)})" for group in wanted.changed]
        self.text = "".join(f" AND {condition}" for condition in conditions)

    def _numbers(self, condition: str, numbers: frozenset[tuple[str | None, str]]) -> str:
        return _any(condition.format(self._add(issuer), self._add(value)) for issuer, value in sorted(numbers, key=str))

    def _bounds(self, column: str, group: tuple[tuple[Bound, ...], ...]) -> str:
        alternatives = (
            " AND ".join(f"{column} {bound.operator} {self._add(bound.moment)}" for bound in bounds) for bounds in group
        )
        return _any(alternatives)

    def _add(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(f'({condition})' for condition in conditions)})"


def _appointed(row: Record) -> Appointed:
    return Appointed(exam=shown(row), patient_id=row["whose"], changed_at=row["changed_at"])
