"""Orders in PostgreSQL, inside the transaction of a message or command."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from asyncpg import Pool, Record
from fj_events import ClinicalPhi, Fact, Identifier, OrderDetails, PatientPhi
from pydantic import TypeAdapter

from order_service.adapters import early
from order_service.adapters.early import PostgresEarly
from order_service.adapters.visits import BECAME, PostgresVisits, named
from order_service.domain.early import EarlyEntry
from order_service.domain.life import Life
from order_service.domain.order import Change, Heard, Order
from order_service.domain.visit import NUMBERS, Named, Visit, numbers_of

_COLUMNS: Final = (
    "order_id, site, life, details, changes, report_id, report_version, delivered, said_at, transaction_at,"
    " named_id, named, named_on, beneath, heard_at, worded"
)
_BY_PLACER: Final = f"SELECT {_COLUMNS} FROM orders WHERE placer_value = $1 AND placer_issuer = $2 FOR UPDATE"
_BY_FILLER: Final = f"""
SELECT {_COLUMNS} FROM orders
 WHERE (accession_value = $1 AND accession_issuer = $2)
    OR (details #>> '{{filler_order_number,value}}' = $1 AND details #>> '{{filler_order_number,issuer}}' = $2)
 ORDER BY placer_value IS NOT NULL, placed_at LIMIT 1 FOR UPDATE
"""
_BY_ID: Final = f"SELECT {_COLUMNS} FROM orders WHERE order_id = $1 FOR UPDATE"
# By the number that the placer named: what became of it follows from what was said of that.
_ON: Final = {
    kind: f"""
{BECAME}
SELECT {_COLUMNS} FROM orders JOIN became ON
       coalesce(named_on #>> '{{{field},value}}', details #>> '{{clinical,{field},value}}') = became.value
   AND coalesce(named_on #>> '{{{field},issuer}}', details #>> '{{clinical,{field},issuer}}') = became.issuer
 ORDER BY order_id FOR UPDATE OF orders
"""
    for kind, field in NUMBERS.items()
}
_ADD: Final = """
INSERT INTO orders (
    order_id, site, life, placer_value, placer_issuer, accession_value, accession_issuer, details,
    said_at, transaction_at, named_id, named, named_on
)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
    $9::timestamptz[], $10::timestamptz[], $11::uuid[], $12::jsonb[], $13::jsonb[]
)
ON CONFLICT DO NOTHING
RETURNING order_id
"""
_SAVE: Final = """
UPDATE orders
   SET life = $2, details = $3, changes = $4, report_id = $5, report_version = $6, delivered = $7,
       placer_value = $8, placer_issuer = $9, accession_value = $10, accession_issuer = $11, named_id = $12,
       named = $13, named_on = $14, beneath = $15, changed_at = now()
 WHERE order_id = $1
"""
_HEARD: Final = """
UPDATE orders
   SET said_at = coalesce($2, said_at), transaction_at = coalesce($3, transaction_at), heard_at = coalesce($4, now()),
       worded = CASE WHEN NOT $5 THEN coalesce(worded, jsonb_build_object(
           'said_at', said_at, 'transaction_at', transaction_at, 'came_at', heard_at)) END
 WHERE order_id = $1
"""
_ARE_ONE: Final = """
SELECT survivor_of($2, placed_at) = survivor_of($3, now()) FROM orders WHERE order_id = $1
"""
# With the survivor of a merge; without one, the patient is who the placer says.
_SHOWN: Final = f"""{_COLUMNS}, (
    SELECT survivor_details(w)::text FROM survivor_of((details ->> 'patient_id')::uuid, placed_at) AS w
     WHERE w <> (details ->> 'patient_id')::uuid) AS survivor"""
_FIND: Final = f"""
SELECT {_SHOWN} FROM orders
 WHERE ($1::text IS NULL OR accession_value = $1) AND ($2::text IS NULL OR placer_value = $2)
 ORDER BY placed_at DESC LIMIT $3
"""
_CHANGES: Final = TypeAdapter(tuple[Change, ...])
_WORDED: Final = TypeAdapter(Heard)


class PostgresOrders(PostgresEarly, PostgresVisits):
    """See `order_service.ports.Orders`."""

    async def by_placer_number(self, number: Identifier) -> Order | None:
        return _order(await self._tx.connection.fetchrow(_BY_PLACER, number.value, number.issuer))

    async def by_filler_number(self, number: Identifier) -> Order | None:
        return _order(await self._tx.connection.fetchrow(_BY_FILLER, number.value, number.issuer))

    async def by_id(self, order_id: UUID) -> Order | None:
        return _order(await self._tx.connection.fetchrow(_BY_ID, order_id))

    async def on_visit(self, visit: Visit) -> list[Order]:
        number = visit.number
        rows = await self._tx.connection.fetch(_ON[visit.kind], visit.kind, number.value, number.issuer)
        return [order for row in rows if (order := _order(row)) is not None]

    async def add(self, orders: Sequence[Order]) -> set[UUID]:
        # Sorted: two transactions that add the same numbers wait, and never for each other.
        rows = sorted(map(_row, orders), key=_placer)
        added = await self._tx.connection.fetch(_ADD, *zip(*rows, strict=True))
        return {row["order_id"] for row in added}

    async def save(self, order: Order) -> None:
        details = order.details
        placer, accession = details.placer_order_number, details.accession_number
        await self._tx.connection.execute(
            _SAVE,
            order.order_id,
            order.life,
            _json(details),
            _CHANGES.dump_json(order.changes, exclude_none=True).decode(),
            order.report_id,
            order.report_version,
            json.dumps(dict(order.delivered)),
            placer.value if placer else None,
            placer.issuer if placer else None,
            accession.value,
            accession.issuer,
            *_named(order),
            order.beneath,
        )

    async def heard(self, order_id: UUID, heard: Heard, *, worded: bool) -> None:
        times = (heard.said_at, heard.transaction_at, heard.came_at)
        await self._tx.connection.execute(_HEARD, order_id, *times, worded)

    async def are_one(self, order: Order, patient_id: UUID) -> bool:
        asked = (order.order_id, order.details.patient_id, patient_id)
        return bool(await self._tx.connection.fetchval(_ARE_ONE, *asked))

    def emit(self, fact: Fact) -> UUID:
        return self._tx.emit(fact)


def _row(order: Order) -> tuple[object, ...]:
    details = order.details
    placer, accession = details.placer_order_number, details.accession_number
    return (
        order.order_id,
        order.site,
        order.life,
        placer.value if placer else None,
        placer.issuer if placer else None,
        accession.value,
        accession.issuer,
        _json(details),
        order.heard.said_at,
        order.heard.transaction_at,
        *_named(order),
    )


def _named(order: Order) -> tuple[UUID | None, str | None, str | None]:
    if order.named is None:
        return None, None, None
    patient_id, patient, _, _ = order.named
    on = ClinicalPhi.model_validate(order.named.numbers)
    return patient_id, patient.model_dump_json(exclude_none=True), on.model_dump_json(exclude_none=True)


def _placers(row: Record, details: OrderDetails) -> Named | None:
    """What the placer named. Without numbers it is from before visits could get other ones: those of the order."""
    found = named(row["named_id"], row["named"])
    on = row["named_on"]
    clinical = ClinicalPhi.model_validate_json(on, extra="ignore") if on is not None else details.clinical
    return found and found.on(numbers_of(clinical))


def _placer(row: tuple[object, ...]) -> tuple[str, str]:
    return str(row[3]), str(row[4])


def _json(details: OrderDetails) -> str:
    return details.model_dump_json(exclude_none=True)


def _order(row: Record | None) -> Order | None:
    if row is None:
        return None
    details = _details(row["details"])
    return Order(
        order_id=row["order_id"],
        site=row["site"],
        life=Life(row["life"]),
        details=details,
        changes=_CHANGES.validate_json(row["changes"], extra="ignore"),
        report_id=row["report_id"],
        report_version=row["report_version"],
        delivered=json.loads(row["delivered"]),
        heard=Heard(said_at=row["said_at"], transaction_at=row["transaction_at"], came_at=row["heard_at"]),
        worded=_WORDED.validate_json(row["worded"]) if row["worded"] else None,
        named=_placers(row, details),
        beneath=Life(row["beneath"]) if row["beneath"] else None,
    )


def _shown(row: Record | None) -> Order | None:
    order = _order(row)
    if row is None or order is None or row["survivor"] is None:
        return order
    survivor = PatientPhi.model_validate_json(row["survivor"], extra="ignore")
    return replace(order, details=order.details.model_copy(update={"patient": survivor}))


def _details(text: str) -> OrderDetails:
    return OrderDetails.model_validate_json(text, extra="ignore")


class PostgresOrderBook:
    """See `order_service.ports.OrderBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, order_id: UUID) -> Order | None:
        return _shown(await self._pool.fetchrow(f"SELECT {_SHOWN} FROM orders WHERE order_id = $1", order_id))

    async def find(self, *, accession: str | None, placer_order_number: str | None, limit: int) -> list[Order]:
        rows = await self._pool.fetch(_FIND, accession, placer_order_number, limit)
        return [order for row in rows if (order := _shown(row)) is not None]

    async def early(self, limit: int) -> list[EarlyEntry]:
        return await early.newest(self._pool, limit)

    async def early_entry(self, wish_id: int) -> EarlyEntry | None:
        return await early.one(self._pool, wish_id)
