"""Patients in PostgreSQL."""

from typing import Final
from uuid import UUID

from asyncpg import Pool, Record
from fj_bus import Tx
from fj_events import Fact, Identifier, PatientPhi, Source
from pydantic import TypeAdapter

from patient_service.domain import blocking
from patient_service.domain.demographics import Word
from patient_service.domain.merge import Whose
from patient_service.domain.patient import Patient, identifiers
from patient_service.ports import Entry

COLUMNS: Final = "patient_id, site, provisional, source, details, words, merged_ids"
MERGED: Final = "EXISTS (SELECT FROM holders AS h WHERE h.patient_id = patients.patient_id AND h.until IS NULL)"
"""Whether the number was merged away, and nobody else has it."""
_ADD: Final = f"""
INSERT INTO patients ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (patient_id) DO NOTHING
"""
_SAVE: Final = """
UPDATE patients
   SET site = $2, provisional = $3, source = $4, details = $5, words = $6, merged_ids = $7, changed_at = now()
 WHERE patient_id = $1
"""
_NUMBERS: Final = """
WITH given AS (SELECT value, issuer FROM unnest($1::text[], $2::text[]) AS given (value, issuer)),
     gone AS (DELETE FROM identifiers
               WHERE patient_id = $3 AND (value, issuer) NOT IN (SELECT value, issuer FROM given))
INSERT INTO identifiers (value, issuer, patient_id) SELECT value, issuer, $3 FROM given ON CONFLICT DO NOTHING
"""
_KEYS: Final = """
WITH given AS (SELECT unnest($1::text[]) AS key),
     gone AS (DELETE FROM match_keys WHERE patient_id = $2 AND key NOT IN (SELECT key FROM given))
INSERT INTO match_keys (key, patient_id) SELECT key, $2 FROM given ON CONFLICT DO NOTHING
"""
_READ: Final = f"SELECT {COLUMNS} FROM patients WHERE patient_id = $1"
_ENTRIES: Final = f"""
SELECT {COLUMNS}, ids, untils
  FROM patients CROSS JOIN LATERAL (
       SELECT array_agg(survivor_id ORDER BY until NULLS LAST) AS ids,
              array_agg(until ORDER BY until NULLS LAST) AS untils
         FROM holders WHERE holders.patient_id = patients.patient_id) AS whose
"""
_BY_NUMBER: Final = f"""
{_ENTRIES}
 WHERE patient_id IN (
       SELECT coalesce(survivor_id, i.patient_id)
         FROM identifiers AS i LEFT JOIN holders AS h ON h.patient_id = i.patient_id AND h.until IS NULL
        WHERE value = $1 AND ($2::text IS NULL OR issuer = $2))
 ORDER BY patient_id LIMIT $3
"""
_BY_NAME: Final = f"{_ENTRIES} WHERE $1::text IS NULL OR family_name LIKE $1 ORDER BY changed_at DESC LIMIT $2"
_MERGED_IDS: Final = TypeAdapter(tuple[Identifier, ...])
_WORDS: Final = TypeAdapter(dict[str, Word])


class PostgresPatients:
    """See `patient_service.ports.Patients`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def by_id(self, patient_id: UUID) -> Patient | None:
        row = await self._tx.connection.fetchrow(f"{_READ} FOR UPDATE", patient_id)
        return patient_of(row) if row else None

    async def add(self, patient: Patient) -> bool:
        status = await self._tx.connection.execute(_ADD, *_values(patient))
        if status != "INSERT 0 1":
            return False
        await self._keep_found_by(patient)
        return True

    async def save(self, patient: Patient) -> None:
        await self._tx.connection.execute(_SAVE, *_values(patient))
        await self._keep_found_by(patient)

    def emit(self, fact: Fact) -> UUID:
        return self._tx.emit(fact)

    async def _keep_found_by(self, patient: Patient) -> None:
        numbers = identifiers(patient)
        values, issuers = [number.value for number in numbers], [number.issuer for number in numbers]
        await self._tx.connection.execute(_NUMBERS, values, issuers, patient.patient_id)
        await self._tx.connection.execute(_KEYS, sorted(blocking.keys(patient.details)), patient.patient_id)


class PostgresPatientBook:
    """See `patient_service.ports.PatientBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, patient_id: UUID) -> Entry | None:
        row = await self._pool.fetchrow(f"{_ENTRIES} WHERE patient_id = $1", patient_id)
        return _entry(row) if row else None

    async def find(self, *, number: str | None, issuer: str | None, family_name: str | None, limit: int) -> list[Entry]:
        if number is not None:
            rows = await self._pool.fetch(_BY_NUMBER, number, issuer, limit)
        else:
            rows = await self._pool.fetch(_BY_NAME, _begins(family_name), limit)
        return [_entry(row) for row in rows]


def _begins(family_name: str | None) -> str | None:
    if family_name is None:
        return None
    plain = family_name.lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"{plain}%"


def _values(patient: Patient) -> tuple[object, ...]:
    details = patient.details.model_dump_json(exclude_none=True)
    merged_ids = _MERGED_IDS.dump_json(patient.merged_ids).decode()
    words = _WORDS.dump_json(dict(patient.words)).decode()
    return patient.patient_id, patient.site, patient.provisional, patient.source, details, words, merged_ids


def _entry(row: Record) -> Entry:
    holders = zip(row["ids"] or (), row["untils"] or (), strict=True)
    return Entry(patient_of(row), tuple(Whose(*each) for each in holders))


def patient_of(row: Record) -> Patient:
    return Patient(
        patient_id=row["patient_id"],
        site=row["site"],
        provisional=row["provisional"],
        source=Source(row["source"]),
        details=PatientPhi.model_validate_json(row["details"], extra="ignore"),
        words=_WORDS.validate_json(row["words"]),
        merged_ids=_MERGED_IDS.validate_json(row["merged_ids"]),
    )
