"""Packs that do not lie any more where the facts about their instances say."""

from collections.abc import Sequence
from typing import Final

from fj_events import InstancesStored, ObjectRef
from fj_packs.rewriting import moved

from storage_service.adapters.sql import Database, Row, columns

_PUT: Final = """
INSERT INTO moved_pack (bucket, key, to_bucket, to_key, to_size, to_sha256, kept, begins)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (bucket, key) DO UPDATE
   SET to_bucket = excluded.to_bucket, to_key = excluded.to_key, to_size = excluded.to_size,
       to_sha256 = excluded.to_sha256, kept = excluded.kept, begins = excluded.begins
"""
_FORGET: Final = "DELETE FROM moved_pack WHERE bucket = $1 AND key = $2"
_KNOWN: Final = """
SELECT * FROM moved_pack JOIN unnest($1::text[], $2::text[]) AS asked (bucket, key) USING (bucket, key)
"""


async def put_removed(db: Database, packs: Sequence[tuple[str, str]]) -> None:
    """These packs were removed."""
    for bucket, key in packs:
        await db.execute(_PUT, bucket, key, None, None, None, None, None, 0)


async def put_moved(
    db: Database, before: ObjectRef, to: ObjectRef, kept: Sequence[tuple[int, int]] = (), begins: int = 0
) -> None:
    """A pack lies elsewhere now, or these ranges of it do, one after the other from there on."""
    await db.execute(_FORGET, to.bucket, to.key)  # where it lies nothing has moved from, so that no chain is a ring
    where = (before.bucket, before.key, to.bucket, to.key, to.size, to.sha256)
    await db.execute(_PUT, *where, [number for one in kept for number in one] or None, begins)


async def still_kept(db: Database, facts: Sequence[InstancesStored]) -> list[InstancesStored]:
    """The facts with the places where their packs lie now, without those of packs that were removed.

    Whoever makes the index anew reads what was told when the packs came.
    """
    kept = list(facts)
    while known := await _moved(db, kept):
        kept = [placed for fact in kept if (placed := _placed(fact, known.get(_place(fact)))) is not None]
    return kept


async def _moved(db: Database, facts: Sequence[InstancesStored]) -> dict[tuple[str, str], Row]:
    rows = await db.fetch(_KNOWN, *columns(sorted({_place(fact) for fact in facts}), 2)) if facts else []
    return {(row["bucket"], row["key"]): row for row in rows}


def _place(fact: InstancesStored) -> tuple[str, str]:
    return fact.pack.bucket, fact.pack.key


def _placed(fact: InstancesStored, row: "Row | None") -> InstancesStored | None:
    if row is None:
        return fact
    if row["to_key"] is None:
        return None
    pack = ObjectRef(bucket=row["to_bucket"], key=row["to_key"], size=row["to_size"], sha256=row["to_sha256"])
    if row["kept"] is None:
        return fact.model_copy(update={"pack": pack})
    kept = list(zip(row["kept"][::2], row["kept"][1::2], strict=True))
    places = [(one, moved(one.offset, kept, row["begins"])) for one in fact.instances]
    instances = tuple(one.model_copy(update={"offset": place}) for one, place in places if place is not None)
    return fact.model_copy(update={"pack": pack, "instances": instances}) if instances else None
