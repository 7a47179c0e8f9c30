"""Acts of persons on where studies belong, in PostgreSQL."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from fj_events import Identifier

from storage_service.adapters.orders import BESIDE, order_keys
from storage_service.adapters.sql import Database, Pool, Row
from storage_service.domain.keys import OrderKeys
from storage_service.domain.linking import Belonging, LinkEntry, LinkOverview

_ORDER: Final = f"""
SELECT o.*, {BESIDE}
  FROM known_order o LEFT JOIN exam USING (order_id) WHERE o.order_id = $1 LIMIT 1
"""
_NEWEST: Final = "SELECT * FROM link_act WHERE study_instance_uid = $1 ORDER BY number DESC LIMIT 1"
_ADD: Final = "INSERT INTO link_act VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_HISTORY: Final = """
SELECT a.*, b.accession_number AS left_number, b.accession_issuer AS left_issuer,
       n.accession_number AS right_number, n.accession_issuer AS right_issuer
  FROM link_act a LEFT JOIN known_order b ON b.order_id = a.previous_order_id
  LEFT JOIN known_order n ON n.order_id = a.order_id
 WHERE a.study_instance_uid = $1 ORDER BY a.number
"""


class PostgresLinks:
    """See `storage_service.ports.links.Links`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def order(self, order_id: UUID) -> OrderKeys | None:
        row = await self._db.fetchrow(_ORDER, order_id)
        return order_keys(row) if row else None

    async def newest(self, study_instance_uid: str) -> LinkEntry | None:
        row = await self._db.fetchrow(_NEWEST, study_instance_uid)
        return _entry(row) if row else None

    async def add(self, study_instance_uid: str, entry: Callable[[int], LinkEntry]) -> None:
        newest = await self.newest(study_instance_uid)
        new = entry(newest.number + 1 if newest else 1)
        await self._db.execute(
            _ADD,
            study_instance_uid,
            new.number,
            new.act,
            new.actor,
            new.reason,
            new.at,
            new.order_id,
            new.previous.order_id,
            new.previous.order_patient_id,
            new.previous.matched_by,
            new.previous.match_reason,
            new.previous.unmatched_reason,
            new.previous.patient_confirmed,
        )


class PostgresLinkBook:
    """See `storage_service.ports.links.LinkBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def history(self, study_instance_uid: str) -> list[LinkOverview]:
        return [
            LinkOverview(
                previous_accession_number=_number(row["left_number"], row["left_issuer"]),
                accession_number=_number(row["right_number"], row["right_issuer"]),
                **{
                    name: row[name]
                    for name in ("number", "act", "actor", "reason", "at", "previous_order_id", "order_id")
                },
            )
            for row in await self._pool.fetch(_HISTORY, study_instance_uid)
        ]


def _number(value: str | None, issuer: str | None) -> Identifier | None:
    return Identifier(value=value, issuer=issuer or "") if value else None


def _entry(row: Row) -> LinkEntry:
    return LinkEntry(
        number=row["number"],
        act=row["act"],
        actor=row["actor"],
        reason=row["reason"],
        at=row["at"],
        order_id=row["order_id"],
        previous=Belonging(
            order_id=row["previous_order_id"],
            order_patient_id=row["previous_order_patient_id"],
            matched_by=row["previous_matched_by"],
            match_reason=row["previous_match_reason"],
            unmatched_reason=row["previous_unmatched_reason"],
            patient_confirmed=row["previous_patient_confirmed"],
        ),
    )
