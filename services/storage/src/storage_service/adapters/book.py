"""Studies as others see them."""

from datetime import datetime
from typing import Final

from asyncpg import Record
from fj_events import Identifier, PatientPhi

from storage_service.adapters.sql import CURRENT_NUMBERS, UNDATED, Pool
from storage_service.domain.exceptional import ExceptionEntry
from storage_service.domain.study import Overview

_COLUMNS: Final = (
    "study_instance_uid",
    "site",
    "number_of_series",
    "number_of_instances",
    "received_at",
    "last_instance_at",
    "available_at",
    "completeness",
    "completeness_reason",
    "order_id",
    "matched_by",
    "match_reason",
    "unmatched_reason",
    "unconfirmed_order_id",
)
_STUDIES: Final = f"""
SELECT {", ".join(_COLUMNS)}, study_date, study_description AS description, s.modalities, s.patient,
       r.accession_number, r.accession_issuer, r.contradicted_by,
       (SELECT coalesce(sum(e.conflicting_instances), 0)::int FROM series e
         WHERE e.study_instance_uid = r.study_instance_uid) AS conflicting_instances,
       (SELECT count(*) FROM series e WHERE e.study_instance_uid = r.study_instance_uid
           AND e.metadata_instances = e.number_of_instances) AS described_series
  FROM study_route r JOIN study s USING (study_instance_uid, study_date)
"""
_READ: Final = f"{_STUDIES} WHERE study_instance_uid = $1 AND ($2 OR r.contradicted_by IS NULL)"
_FIND: Final = f"{_STUDIES} WHERE ($2 OR r.contradicted_by IS NULL){{}} ORDER BY received_at DESC LIMIT $1"
_OF_ACCESSION: Final = " AND s.accession_number = {}"
_OF_PATIENT: Final = f" AND s.patient_number = ANY({CURRENT_NUMBERS.format('ARRAY[{}]')})"
_UNMATCHED: Final = f"""
{_STUDIES} WHERE order_id IS NULL AND received_at IS NOT NULL AND unmatched_reason IS NOT NULL
   AND ($2 OR r.contradicted_by IS NULL)
 ORDER BY received_at LIMIT $1
"""
_EXCEPTIONS: Final = """
SELECT kind, since, site, study_instance_uid, summary, event_id FROM exception_entry
 WHERE $2 OR study_instance_uid NOT IN (SELECT study_instance_uid FROM study_route WHERE contradicted_by IS NOT NULL)
 ORDER BY since DESC LIMIT $1
"""

# The earliest is the first of its index. Asked whether there is one, PostgreSQL looks through all studies for it.
ANY_DUE: Final = "SELECT min(due_at) <= $1 FROM study_route"


class PostgresStudyBook:
    """See `storage_service.ports.studies.StudyBook`. `unconfirmed`: with what is in doubt."""

    def __init__(self, pool: Pool, *, unconfirmed: bool = True) -> None:
        self._pool = pool
        self._all = unconfirmed

    async def read(self, study_instance_uid: str) -> Overview | None:
        row = await self._pool.fetchrow(_READ, study_instance_uid, self._all)
        return _overview(row) if row else None

    async def find(self, *, accession: str | None, patient_number: str | None, limit: int) -> list[Overview]:
        # What is not asked for stands in no condition: a plan for any value of it would read every study.
        asked = ((_OF_ACCESSION, accession), (_OF_PATIENT, patient_number))
        given = [(where, value) for where, value in asked if value is not None]
        wheres = "".join(where.format(f"${place}") for place, (where, _) in enumerate(given, 3))
        rows = await self._pool.fetch(_FIND.format(wheres), limit, self._all, *(value for _, value in given))
        return [_overview(row) for row in rows]

    async def unmatched(self, limit: int) -> list[Overview]:
        return [_overview(row) for row in await self._pool.fetch(_UNMATCHED, limit, self._all)]

    async def exceptions(self, limit: int) -> list[ExceptionEntry]:
        return [ExceptionEntry(**dict(row)) for row in await self._pool.fetch(_EXCEPTIONS, limit, self._all)]

    async def any_due(self, now: datetime) -> bool:
        return bool(await self._pool.fetchval(ANY_DUE, now))


def _overview(row: Record) -> Overview:
    number, issuer = row["accession_number"], row["accession_issuer"]
    return Overview(
        study_date=None if row["study_date"] == UNDATED else row["study_date"],
        description=row["description"],
        modalities=tuple(row["modalities"]),
        patient=PatientPhi.model_validate_json(row["patient"], extra="ignore"),
        accession_number=Identifier(value=number, issuer=issuer or "") if number else None,
        conflicting_instances=row["conflicting_instances"],
        described_series=row["described_series"],
        contradicted_by=tuple((row["contradicted_by"] or "").split()),
        **{name: row[name] for name in _COLUMNS},
    )
