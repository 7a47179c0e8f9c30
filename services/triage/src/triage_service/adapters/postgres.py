"""Studies and their orders in PostgreSQL."""

from typing import Final
from uuid import UUID

from fj_bus import Tx
from fj_events import Fact, Identifier, OrderDetails, Priority

from triage_service.domain.rules import Subject

_ORDER: Final = """
INSERT INTO orders (order_id, priority, modality, procedure_code, procedure_text) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (order_id) DO UPDATE SET priority = excluded.priority, modality = excluded.modality,
    procedure_code = excluded.procedure_code, procedure_text = excluded.procedure_text
"""
_STUDY: Final = """
INSERT INTO studies (study_instance_uid, site, modalities, description) VALUES ($1, $2, $3, $4)
ON CONFLICT (study_instance_uid) DO UPDATE
   SET modalities = excluded.modalities, description = coalesce(excluded.description, studies.description)
"""
_LINK: Final = """
INSERT INTO studies (study_instance_uid, site, order_id, accession_value, accession_issuer) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (study_instance_uid) DO UPDATE
   SET order_id = excluded.order_id, accession_value = excluded.accession_value,
       accession_issuer = excluded.accession_issuer
"""
# While it waits for the study's row nobody else can write the order: who judges has written that row itself and waits
# for nothing here, or has just written the order, in its turn.
_SUBJECT: Final = """
SELECT s.study_instance_uid, s.site, s.modalities, s.description, s.order_id, s.accession_value, s.accession_issuer,
       s.priority, o.priority AS ordered_priority, o.modality AS ordered_modality, o.procedure_code, o.procedure_text
  FROM studies AS s LEFT JOIN orders AS o USING (order_id)
 WHERE s.study_instance_uid = $1
   FOR UPDATE OF s
"""
_RAISE: Final = "UPDATE studies SET priority = $2 WHERE study_instance_uid = $1"


class PostgresStudies:
    """See `triage_service.ports.Studies`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def keep_order(self, order_id: UUID, details: OrderDetails) -> list[str]:
        # An order and the link to its study come side by side: each must see what the other wrote.
        await self._tx.lock("order", str(order_id))
        procedure = details.procedure
        await self._tx.connection.execute(
            _ORDER, order_id, details.priority, details.modality, procedure.code, procedure.text
        )
        rows = await self._tx.connection.fetch("SELECT study_instance_uid FROM studies WHERE order_id = $1", order_id)
        return [row["study_instance_uid"] for row in rows]

    async def keep_study(
        self, study_instance_uid: str, site: str, modalities: tuple[str, ...], description: str | None
    ) -> None:
        await self._tx.connection.execute(_STUDY, study_instance_uid, site, list(modalities), description)

    async def link(self, study_instance_uid: str, site: str, order_id: UUID, accession_number: Identifier) -> None:
        await self._tx.lock("order", str(order_id))
        await self._tx.connection.execute(
            _LINK, study_instance_uid, site, order_id, accession_number.value, accession_number.issuer
        )

    async def subject(self, study_instance_uid: str) -> Subject:
        row = await self._tx.connection.fetchrow(_SUBJECT, study_instance_uid)
        if row is None:
            raise LookupError(f"study {study_instance_uid} was just kept and is gone")
        accession = row["accession_value"]
        return Subject(
            study_instance_uid=study_instance_uid,
            site=row["site"],
            modalities=frozenset(row["modalities"]),
            description=row["description"],
            ordered_priority=Priority(row["ordered_priority"]) if row["ordered_priority"] else None,
            ordered_modality=row["ordered_modality"],
            procedure_code=row["procedure_code"],
            procedure_text=row["procedure_text"],
            order_id=row["order_id"],
            accession_number=Identifier(value=accession, issuer=row["accession_issuer"]) if accession else None,
            priority=Priority(row["priority"]),
        )

    async def raise_to(self, study_instance_uid: str, priority: Priority) -> None:
        await self._tx.connection.execute(_RAISE, study_instance_uid, priority)

    def emit(self, fact: Fact) -> None:
        self._tx.emit(fact)
