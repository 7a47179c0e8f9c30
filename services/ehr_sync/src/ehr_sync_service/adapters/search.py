"""FHIR read and search in PostgreSQL.

Each search parameter is one condition, made of constants of this module; what the client sent is always a parameter of
the statement. `t` is the row of the resource, `o` that of its order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from fj_fhir import DICOM_UID, Criterion, Dated, Interval, Match, Pointer, Prefix, Search, Text, Token, scheme_of

from ehr_sync_service.adapters.projection import fold, term
from ehr_sync_service.domain.records import Found, OrderRecord, PatientRecord, ReportRecord, StudyRecord

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

COUNT_MAX: Final = 10_000
_NOTHING: Final = "FALSE"
_SEXES: Final = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_OWN_CODES: Final = "http://hl7.org/fhir/"
_MODALITIES: Final = "DCM"


@dataclass(slots=True)
class Values:
    """The parameters of one statement."""

    given: list[Any] = field(default_factory=list)

    def add(self, value: object) -> str:
        """The place of the value in the statement."""
        self.given.append(value)
        return f"${len(self.given)}"


Condition: TypeAlias = Callable[[Any, Values], str]
"""A value of a search parameter as SQL."""


@dataclass(frozen=True, slots=True)
class Table:
    """Where the records of a resource type lie, and how each search parameter reads there."""

    rows: str
    key: str
    record: type[PatientRecord | OrderRecord | StudyRecord | ReportRecord]
    conditions: Mapping[str, Condition]
    updated: str = "t.updated_at"
    order: str = "NULL::jsonb"
    sorts: Mapping[str, str] = field(default_factory=dict)

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
        own = {"_id": _id(self.key), "_lastUpdated": _instant(self.updated)}
        condition = own.get(criterion.name) or self.conditions[criterion.name]
        return "(" + (" OR ".join(condition(value, values) for value in criterion.values) or _NOTHING) + ")"


class PostgresRecords:
    """See `ehr_sync_service.entrypoints.fhir.Records`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def read(self, resource_type: str, key: Any) -> Found | None:
        table = TABLES[resource_type]
        query = f"SELECT t.body, {table.order} AS order_body FROM {table.rows} WHERE t.{table.key} = $1"
        row = await self._pool.fetchrow(query, key)
        return _found(table, row) if row else None

    async def search(self, resource_type: str, search: Search) -> list[Found]:
        table, values = TABLES[resource_type], Values()
        where = table.where(search, values)
        limit, offset = values.add(search.count + 1), values.add(search.offset)
        rows = await self._pool.fetch(
            f"SELECT t.body, {table.order} AS order_body FROM {table.rows} WHERE {where} "
            f"ORDER BY {table.order_by(search)} LIMIT {limit} OFFSET {offset}",
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
    order = row["order_body"]
    return Found(
        record=table.record.model_validate_json(row["body"]),
        order=OrderRecord.model_validate_json(order) if order else None,
    )


def _id(key: str) -> Condition:
    def condition(token: Token, values: Values) -> str:
        wanted = token.code or ""
        if key == "study_instance_uid":
            return f"t.{key} = {values.add(wanted)}"
        return _equals_uuid(f"t.{key}", wanted, values)

    return condition


def _equals_uuid(column: str, text: str, values: Values) -> str:
    try:
        return f"{column} = {values.add(UUID(text))}"
    except ValueError:
        return _NOTHING


def _identifier(token: Token, values: Values) -> str:
    return _has_number("t.identifiers", token, values)


def _has_number(column: str, token: Token, values: Values) -> str:
    if token.system == "":
        return _NOTHING  # no number of ours is without an issuer
    code = (token.code or "").removeprefix("urn:oid:") if token.system in (None, DICOM_UID) else token.code or ""
    wanted = term(code) if token.system is None else term(code, token.issuer)
    return f"{column} && ARRAY[{values.add(wanted)}]::text[]"


def _patient_number(patient_column: str) -> Condition:
    def condition(token: Token, values: Values) -> str:
        inner = _has_number("p.identifiers", token, values)
        return f"{patient_column} IN (SELECT p.patient_id FROM patients p WHERE {inner})"

    return condition


def _pointer(column: str) -> Condition:
    return lambda pointer, values: _equals_uuid(column, pointer.id, values)


def _report_patient(pointer: Pointer, values: Values) -> str:
    """By the report's own patient, or by its order's: each by its index."""
    own = _equals_uuid("r.patient_id", pointer.id, values)
    orders = _equals_uuid("o.patient_id", pointer.id, values)
    return f"""t.report_id IN (SELECT r.report_id FROM reports r WHERE {own} UNION ALL
        SELECT r.report_id FROM orders o JOIN reports r USING (order_id) WHERE {orders})"""


def _instant(column: str) -> Condition:
    return lambda dated, values: _dated(column, dated, dated.span.low, dated.span.high, values)


def _day(column: str) -> Condition:
    def condition(dated: Dated, values: Values) -> str:
        span: Interval = dated.span
        return _dated(column, dated, span.low.date(), span.high.date(), values)

    return condition


def _dated(column: str, dated: Dated, low: object, high: object, values: Values) -> str:
    """R4 section 3.1.1.4.6, for a resource's moment (or day) against a span from low up to high."""
    match dated.prefix:
        case Prefix.EQ:
            return f"({column} >= {values.add(low)} AND {column} < {values.add(high)})"
        case Prefix.NE:
            return f"({column} < {values.add(low)} OR {column} >= {values.add(high)})"
        case Prefix.GT:
            return f"{column} >= {values.add(high)}"
        case Prefix.GE:
            return f"{column} >= {values.add(low)}"
        case Prefix.LT:
            return f"{column} < {values.add(low)}"
        case Prefix.LE:
            return f"{column} < {values.add(high)}"


def _name(*parts: str) -> Condition:
    def condition(text: Text, values: Values) -> str:
        places = ", ".join(values.add(part) for part in parts)
        return f"""t.patient_id IN (SELECT patient_id FROM patient_names
            WHERE part IN ({places}) AND {_written(text, values)})"""

    return condition


def _written(text: Text, values: Values) -> str:
    if text.match is Match.EXACT:
        return f"written = {values.add(text.text)}"
    folded = fold(text.text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"folded LIKE {values.add(f'%{folded}%' if text.match is Match.CONTAINS else f'{folded}%')}"


def _own_code(column: str, codes: Mapping[str, str] | None = None) -> Condition:
    """A code of FHIR's own code systems; `codes` are what the column has for them."""

    def condition(token: Token, values: Values) -> str:
        if token.system is not None and not token.system.startswith(_OWN_CODES):
            return _NOTHING
        code = token.code or ""
        return f"{column} = {values.add(codes.get(code, '') if codes else code)}"

    return condition


def _modality(token: Token, values: Values) -> str:
    if token.system is not None and scheme_of(token.system) != _MODALITIES:
        return _NOTHING
    return f"t.modalities && ARRAY[{values.add(token.code or '')}]::text[]"


def _coded(code: str, scheme: str) -> Condition:
    def condition(token: Token, values: Values) -> str:
        wanted = []
        if token.code is not None:
            wanted.append(f"{code} = {values.add(token.code)}")
        if token.system is not None:
            wanted.append(f"{scheme} IS NOT DISTINCT FROM {values.add(scheme_of(token.system))}")
        return "(" + " AND ".join(wanted) + ")"

    return condition


_PATIENT: Final[Mapping[str, Condition]] = {
    "identifier": _identifier,
    "name": _name("family", "given", "affix"),
    "family": _name("family"),
    "given": _name("given"),
    "birthdate": _day("t.birth_date"),
    "gender": _own_code("t.sex", _SEXES),
}
_ORDER: Final[Mapping[str, Condition]] = {
    "identifier": _identifier,
    "patient": _pointer("t.patient_id"),
    "subject": _pointer("t.patient_id"),
    "patient.identifier": _patient_number("t.patient_id"),
    "status": _own_code("t.status"),
    "priority": _own_code("t.priority"),
    "code": _coded("t.code", "t.scheme"),
    "authored": _instant("t.placed_at"),
    "occurrence": _instant("t.wanted_at"),
}
_STUDY: Final[Mapping[str, Condition]] = {
    "identifier": _identifier,
    "patient": _pointer("t.patient_id"),
    "subject": _pointer("t.patient_id"),
    "patient.identifier": _patient_number("t.patient_id"),
    "status": _own_code("t.status"),
    "started": _day("t.study_date"),
    "modality": _modality,
    "basedon": _pointer("t.order_id"),
}
_REPORT: Final[Mapping[str, Condition]] = {
    "identifier": _identifier,
    "patient": _report_patient,
    "subject": _report_patient,
    "patient.identifier": _patient_number("coalesce(t.patient_id, o.patient_id)"),
    "based-on": _pointer("t.order_id"),
    "status": _own_code("t.status"),
    # A report without an order says only that it is one of imaging.
    "code": _coded("coalesce(o.code, '18748-4')", "CASE WHEN o.order_id IS NULL THEN 'LN' ELSE o.scheme END"),
    "issued": _instant("t.issued_at"),
    "date": _instant("t.issued_at"),
}
_JOINED: Final = "LEFT JOIN orders o ON o.order_id = t.order_id"
_JOINT_UPDATE: Final = "greatest(t.updated_at, o.updated_at)"
TABLES: Final[Mapping[str, Table]] = {
    "Patient": Table("patients t", "patient_id", PatientRecord, _PATIENT, sorts={"birthdate": "t.birth_date"}),
    "ServiceRequest": Table("orders t", "order_id", OrderRecord, _ORDER, sorts={"authored": "t.placed_at"}),
    "ImagingStudy": Table(
        f"studies t {_JOINED}",
        "study_instance_uid",
        StudyRecord,
        _STUDY,
        updated=_JOINT_UPDATE,
        order="o.body",
        sorts={"started": "t.study_date"},
    ),
    "DiagnosticReport": Table(
        f"reports t {_JOINED}",
        "report_id",
        ReportRecord,
        _REPORT,
        updated=_JOINT_UPDATE,
        order="o.body",
        sorts={"issued": "t.issued_at"},
    ),
}
