"""Packs that do not lie any more where the facts about their instances say."""

from collections.abc import Sequence
from typing import Final

from fj_events import InstancesStored

from storage_service.adapters.sql import Database, columns

_REMOVED: Final = (
    "INSERT INTO moved_pack (bucket, key) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"
)
_KNOWN: Final = """
SELECT bucket, key FROM moved_pack JOIN unnest($1::text[], $2::text[]) AS asked (bucket, key) USING (bucket, key)
"""


async def put_removed(db: Database, packs: Sequence[tuple[str, str]]) -> None:
    """These packs were removed."""
    await db.execute(_REMOVED, *columns(packs, 2))


async def still_kept(db: Database, facts: Sequence[InstancesStored]) -> list[InstancesStored]:
    """The facts without those whose instances were removed since: whoever makes the index anew reads these again."""
    packs = sorted({(fact.pack.bucket, fact.pack.key) for fact in facts})
    removed = {(row["bucket"], row["key"]) for row in await db.fetch(_KNOWN, *columns(packs, 2))}
    return [fact for fact in facts if (fact.pack.bucket, fact.pack.key) not in removed]
