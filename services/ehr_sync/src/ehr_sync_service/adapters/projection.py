"""What is known, in PostgreSQL, inside the transaction of a fact."""

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fj_bus import Tx
from fj_events import Identifier, PatientPhi
from fj_survivors import PERSON
from fj_survivors import TABLE as SURVIVOR

from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.records import OrderRecord, PatientRecord, Record, ReportRecord, StudyRecord

_RECORDS: Final = ("patient_names", "patient_addresses", "patients", "orders", "studies", "reports", "plans")
TABLES: Final = (*_RECORDS, SURVIVOR, PERSON)
"""What a rebuild makes anew."""
_KEPT: Final = {"recorded_at": "least({1}.{0}, excluded.{0})"}
"""What a later fact does not overwrite."""
SEPARATOR: Final = "\x1f"
_DICOM_UID: Final = "urn:dicom:uid"
"""The issuer of UIDs, as FHIR names it."""


class PostgresProjection:
    """See `ehr_sync_service.ports.Projection`."""

    def __init__(self, tx: Tx) -> None:
        self._connection = tx.connection

    async def order(self, order_id: UUID) -> OrderRecord | None:
        body = await self._connection.fetchval("SELECT body FROM orders WHERE order_id = $1", order_id)
        return OrderRecord.model_validate_json(body) if body else None

    async def study(self, study_instance_uid: str) -> StudyRecord | None:
        query = "SELECT body FROM studies WHERE study_instance_uid = $1"
        body = await self._connection.fetchval(query, study_instance_uid)
        return StudyRecord.model_validate_json(body) if body else None

    async def whom(self, patient_id: UUID, recorded_at: datetime) -> PatientRecord | None:
        query = "SELECT body FROM patients WHERE patient_id = survivor_of($1, $2)"
        body = await self._connection.fetchval(query, patient_id, recorded_at)
        return PatientRecord.model_validate_json(body) if body else None

    async def plan(self, exam_key: str) -> PlanRecord | None:
        body = await self._connection.fetchval("SELECT body FROM plans WHERE exam_key = $1", exam_key)
        return PlanRecord.model_validate_json(body) if body else None

    async def save_plan(self, plan: PlanRecord) -> None:
        await self._upsert("plans", {"exam_key": plan.exam_key, "updated_at": plan.updated_at, "body": _json(plan)})

    async def save_patient(self, patient: PatientRecord) -> None:
        phi = patient.patient
        columns = {
            "patient_id": patient.patient_id,
            "identifiers": _terms((phi.id, *phi.other_ids)),
            "birth_date": phi.birth_date,
            "sex": phi.sex,
            "phone": digits(phi.phone or "") or None,
            "updated_at": patient.updated_at,
            "body": _json(patient),
        }
        await self._upsert("patients", columns)
        await self._write("patient_names", patient.patient_id, _names(phi))
        await self._write("patient_addresses", patient.patient_id, _address(phi))

    async def save_order(self, order: OrderRecord) -> None:
        details = order.details
        numbers = (details.placer_order_number, details.filler_order_number, details.accession_number)
        columns = {
            "order_id": order.order_id,
            "patient_id": details.patient_id,
            "identifiers": _terms(numbers, details.study_instance_uid),
            "status": order.status,
            "priority": details.priority.lower(),
            "code": details.procedure.code,
            "scheme": details.procedure.system,
            "placed_at": order.placed_at,
            "wanted_at": details.asked_for,
            "updated_at": order.updated_at,
            "body": _json(order),
        }
        await self._upsert("orders", columns)

    async def save_study(self, study: StudyRecord) -> None:
        columns = {
            "study_instance_uid": study.study_instance_uid,
            "order_id": study.order_id,
            "patient_id": study.patient_id,
            "identifiers": _terms((study.accession_number,), study.study_instance_uid),
            "status": study.status,
            "modalities": list(study.modalities),
            "study_date": study.study_date,
            "recorded_at": study.updated_at,
            "updated_at": study.updated_at,
            "body": _json(study),
        }
        await self._upsert("studies", columns)

    async def save_report(self, report: ReportRecord) -> None:
        columns = {
            "report_id": report.report_id,
            "order_id": report.order_id,
            "patient_id": report.patient_id,
            "identifiers": _terms((report.accession_number, report.placer_order_number), str(report.report_id)),
            "status": report.status,
            "version": report.version,
            "issued_at": report.issued_at,
            "recorded_at": report.updated_at,
            "updated_at": report.updated_at,
            "body": _json(report),
        }
        await self._upsert("reports", columns, guard="WHERE reports.version < excluded.version")

    async def _write(self, table: str, patient_id: UUID, texts: Iterable[tuple[str, str]]) -> None:
        await self._connection.execute(f"DELETE FROM {table} WHERE patient_id = $1", patient_id)
        rows = [(patient_id, part, written, fold(written)) for part, written in texts]
        await self._connection.executemany(f"INSERT INTO {table} VALUES ($1, $2, $3, $4)", rows)

    async def _upsert(self, table: str, columns: dict[str, Any], guard: str = "") -> None:
        key, *others = columns
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        updates = ", ".join(f"{name} = {_KEPT.get(name, 'excluded.{0}').format(name, table)}" for name in others)
        await self._connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) "
            f"ON CONFLICT ({key}) DO UPDATE SET {updates} {guard}",
            *columns.values(),
        )


def term(value: str, issuer: str | None = None) -> str:
    """An element of `identifiers`: a number alone, or behind its issuer."""
    return value if issuer is None else f"{issuer}{SEPARATOR}{value}"


def fold(text: str) -> str:
    """Without case and accents: FHIR strings are compared so (R4 section 3.1.1.4.8)."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character)).strip()


def digits(phone: str) -> str:
    """A telephone number without the signs between its digits, which everybody sets as they like."""
    return "".join(character for character in phone if character.isascii() and character.isdigit())


def _json(record: Record) -> str:
    return record.model_dump_json(exclude_none=True)


def _terms(numbers: Iterable[Identifier | None], uid: str | None = None) -> list[str]:
    known = [(number.value, number.issuer) for number in numbers if number]
    if uid:
        known.append((uid, _DICOM_UID))
    found = [one for value, issuer in known for one in (term(value), term(value, issuer), term("", issuer))]
    return list(dict.fromkeys(found))


def _address(patient: PatientPhi) -> Iterator[tuple[str, str]]:
    given = patient.address.model_dump() if patient.address else {}
    yield from ((part, written.strip()) for part, written in given.items() if written and written.strip())


def _names(patient: PatientPhi) -> Iterator[tuple[str, str]]:
    parts: list[tuple[str, str | None]] = [("family", patient.family_name), ("affix", patient.prefix)]
    given = [patient.given_name, patient.middle_name]
    parts += [("affix", patient.suffix), *(("given", name) for name in given)]
    for group in (patient.ideographic_name, patient.phonetic_name):
        family, _, rest = (group or "").partition("^")
        parts += [("family", family), *(("given", name) for name in rest.split("^"))]
    seen = dict.fromkeys((part, written.strip()) for part, written in parts if written and written.strip())
    yield from seen
    # `given` with a blank in it is several names: each can be searched for.
    for part, written in seen:
        for word in written.split()[1:]:
            yield part, word
