"""FHIR read and search in PostgreSQL: `t` is the row of the resource, `o` that of its order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
from fj_fhir import Criterion, Search

from ehr_sync_service.adapters import conditions
from ehr_sync_service.adapters.conditions import Condition, Values
from ehr_sync_service.domain.records import Found, OrderRecord, PatientRecord, ReportRecord, StudyRecord

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

COUNT_MAX: Final = 10_000
_RECORDED: Final = "coalesce(o.placed_at, t.recorded_at)"
_WHOSE: Final = f"survivor_of(coalesce(o.patient_id, t.patient_id), {_RECORDED})"
_IMAGED: Final = conditions.joint("studies", "study_instance_uid", conditions.patient)
_REPORTED: Final = conditions.joint("reports", "report_id", conditions.patient)
_SEXES: Final = {"male": "M", "female": "F", "other": "O", "unknown": "U"}


@dataclass(frozen=True, slots=True)
class Table:
    """Where the records of a resource type lie, and how each search parameter reads there."""

    rows: str
    key: str
    record: type[PatientRecord | OrderRecord | StudyRecord | ReportRecord]
    conditions: Mapping[str, Condition]
    whose: str
    """Of whom it is after merges."""
    others: str = "'{}'::uuid[] AS replaces, '{}'::uuid[] AS linked"
    """Which other patients it points to."""
    updated: str = "t.updated_at"
    order: str = "NULL::jsonb"
    sorts: Mapping[str, str] = field(default_factory=dict)

    @property
    def select(self) -> str:
        """The records, each with its order and with whose it is."""
        return f"""SELECT t.body, {self.order} AS order_body, {self.whose} AS whose, {self.others},
            (SELECT w.body FROM patients w WHERE w.patient_id = {self.whose}) AS whose_body FROM {self.rows}"""

    def where(self, search: Search, values: Values) -> str:
        """All criteria; of each, one value has to fit."""
        return " AND ".join([self._one(criterion, values) for criterion in search.criteria]) or "TRUE"

    def order_by(self, search: Search) -> str:
        """What was asked for, else the newest first; the key makes pages stable."""
        wish = search.sort
        if wish is None:
            return f"t.updated_at DESC, t.{self.key}"
        column = self.updated if wish.name == "_lastUpdated" else self.sorts[wish.name]
        return f"{column} {'DESC' if wish.descending else 'ASC'} NULLS LAST, t.{self.key}"

    def _one(self, criterion: Criterion, values: Values) -> str:
        own = {"_id": conditions.by_id(self.key), "_lastUpdated": conditions.instant(self.updated)}
        condition = own.get(criterion.name) or self.conditions[criterion.name]
        return "(" + (" OR ".join(condition(value, values) for value in criterion.values) or conditions.NOTHING) + ")"


class PostgresRecords:
    """See `ehr_sync_service.entrypoints.fhir.Records`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def read(self, resource_type: str, key: Any) -> Found | None:
        table = TABLES[resource_type]
        query = f"{table.select} WHERE t.{table.key} = $1"
        row = await self._pool.fetchrow(query, key)
        return _found(table, row) if row else None

    async def search(self, resource_type: str, search: Search) -> list[Found]:
        table, values = TABLES[resource_type], Values()
        where = table.where(search, values)
        limit, offset = values.add(search.count + 1), values.add(search.offset)
        rows = await self._pool.fetch(
            f"{table.select} WHERE {where} ORDER BY {table.order_by(search)} LIMIT {limit} OFFSET {offset}",
            *values.given,
        )
        return [_found(table, row) for row in rows]

    async def count(self, resource_type: str, search: Search) -> int | None:
        table, values = TABLES[resource_type], Values()
        where = table.where(search, values)
        query = f"SELECT count(*) FROM (SELECT FROM {table.rows} WHERE {where} LIMIT {COUNT_MAX + 1}) AS found"
        total: int = await self._pool.fetchval(query, *values.given)
        return total if total <= COUNT_MAX else None


def _found(table: Table, row: asyncpg.Record) -> Found:
    order, whose = row["order_body"], row["whose_body"]
    return Found(
        record=table.record.model_validate_json(row["body"]),
        order=OrderRecord.model_validate_json(order) if order else None,
        whose=row["whose"],
        patient=PatientRecord.model_validate_json(whose) if whose else None,
        replaces=tuple(row["replaces"]),
        linked=tuple(row["linked"]),
    )


# A number that was given out again is somebody's: it is in use, and what was merged of it is no Patient any more.
_MERGED_AWAY: Final = "SELECT s.patient_id FROM survivor s WHERE s.until IS NULL"
_OTHERS: Final = f"""
ARRAY({_MERGED_AWAY} AND s.survivor_id = t.patient_id ORDER BY 1) AS replaces,
ARRAY(SELECT same FROM same_person(t.patient_id) AS same
       WHERE same <> t.patient_id AND NOT EXISTS ({_MERGED_AWAY} AND s.patient_id IN (same, t.patient_id))
       ORDER BY 1) AS linked"""
_ADDRESS: Final = {
    "line": "line",
    "city": "city",
    "state": "state",
    "postalcode": "postal_code",
    "country": "country",
}
_PATIENT: Final[Mapping[str, Condition]] = {
    "identifier": conditions.number,
    "name": conditions.name("family", "given", "affix"),
    "family": conditions.name("family"),
    "given": conditions.name("given"),
    "birthdate": conditions.day("t.birth_date"),
    "gender": conditions.own_code("t.sex", _SEXES),
    "address": conditions.address(*_ADDRESS.values()),
    **{f"address-{name}": conditions.address(part) for name, part in _ADDRESS.items() if part != "line"},
    "telecom": conditions.phone,
    "phone": conditions.phone,
    "active": conditions.active,
}
_ORDER: Final[Mapping[str, Condition]] = {
    "identifier": conditions.number,
    "patient": conditions.patient("t.patient_id", "t.placed_at"),
    "subject": conditions.patient("t.patient_id", "t.placed_at"),
    "patient.identifier": conditions.patient_number("t.patient_id", "t.placed_at"),
    "status": conditions.own_code("t.status"),
    "priority": conditions.own_code("t.priority"),
    "code": conditions.coded("t.code", "t.scheme"),
    "authored": conditions.instant("t.placed_at"),
    "occurrence": conditions.instant("t.wanted_at"),
}
_STUDY: Final[Mapping[str, Condition]] = {
    "identifier": conditions.number,
    "patient": _IMAGED,
    "subject": _IMAGED,
    "patient.identifier": conditions.joint("studies", "study_instance_uid", conditions.patient_number),
    "status": conditions.own_code("t.status"),
    "started": conditions.day("t.study_date"),
    "modality": conditions.modality,
    "basedon": conditions.pointer("t.order_id"),
}
_REPORT: Final[Mapping[str, Condition]] = {
    "identifier": conditions.number,
    "patient": _REPORTED,
    "subject": _REPORTED,
    "patient.identifier": conditions.joint("reports", "report_id", conditions.patient_number),
    "based-on": conditions.pointer("t.order_id"),
    "status": conditions.own_code("t.status"),
    # A report without an order says only that it is one of imaging.
    "code": conditions.coded("coalesce(o.code, '18748-4')", "CASE WHEN o.order_id IS NULL THEN 'LN' ELSE o.scheme END"),
    "issued": conditions.instant("t.issued_at"),
    "date": conditions.instant("t.issued_at"),
}
_JOINED: Final = "LEFT JOIN orders o ON o.order_id = t.order_id"
_JOINT_UPDATE: Final = "greatest(t.updated_at, o.updated_at)"
TABLES: Final[Mapping[str, Table]] = {
    "Patient": Table(
        "patients t",
        "patient_id",
        PatientRecord,
        _PATIENT,
        whose="survivor_of(t.patient_id, now())",
        others=_OTHERS,
        sorts={"birthdate": "t.birth_date", "family": "lower(t.body #>> '{patient,family_name}')"},
    ),
    "ServiceRequest": Table(
        "orders t",
        "order_id",
        OrderRecord,
        _ORDER,
        whose="survivor_of(t.patient_id, t.placed_at)",
        sorts={"authored": "t.placed_at"},
    ),
    "ImagingStudy": Table(
        f"studies t {_JOINED}",
        "study_instance_uid",
        StudyRecord,
        _STUDY,
        whose=_WHOSE,
        updated=_JOINT_UPDATE,
        order="o.body",
        sorts={"started": "t.study_date"},
    ),
    "DiagnosticReport": Table(
        f"reports t {_JOINED}",
        "report_id",
        ReportRecord,
        _REPORT,
        whose=_WHOSE,
        updated=_JOINT_UPDATE,
        order="o.body",
        sorts={"issued": "t.issued_at"},
    ),
}
