"""Taking a study out of the index, and all that was said of it with it."""

from typing import Final

from storage_service.adapters.manifests import OF_STUDIES, fetch
from storage_service.adapters.sql import Database
from storage_service.domain.manifest import entries_of
from storage_service.domain.rejection import Code
from storage_service.domain.retirement import Content, Packed

_PACKS: Final = """
SELECT count(*)::int AS packs, coalesce(sum(size), 0)::bigint AS bytes FROM pack WHERE study_instance_uid = $1
"""
_MANIFESTS: Final = """
DELETE FROM manifest USING series e WHERE manifest.series_key = e.series_key AND e.study_instance_uid = $1
"""
_SERIES: Final = "DELETE FROM series WHERE study_instance_uid = $1 RETURNING metadata_key"
_PACK: Final = "DELETE FROM pack WHERE study_instance_uid = $1 RETURNING bucket, key"
_STUDY: Final = """
DELETE FROM study USING study_route r
 WHERE study.study_instance_uid = $1 AND r.study_instance_uid = $1 AND study.study_date = r.study_date
"""
# Rejections stay, except those that say no more than that it was to go: what is unsafe is unsafe when it comes again.
_SAID: Final = (
    f"DELETE FROM rejected WHERE study_instance_uid = $1 AND code = '{Code.RETENTION}'",
    "DELETE FROM key_object WHERE study_instance_uid = $1",
    "DELETE FROM exception_entry WHERE study_instance_uid = $1",
    "DELETE FROM routing WHERE study_instance_uid = $1",
    "DELETE FROM send WHERE study_instance_uid = $1",
    "DELETE FROM link_act WHERE study_instance_uid = $1",
    "DELETE FROM told WHERE study_instance_uid = $1",
    "DELETE FROM coercion WHERE study_instance_uid = $1",
    "DELETE FROM study_access WHERE study_instance_uid = $1",
    "DELETE FROM study_route WHERE study_instance_uid = $1",
)


async def content(db: Database, study_instance_uid: str) -> Packed:
    """All that is kept of a study."""
    instances = [
        Content(row["series_instance_uid"], entry.sop_instance_uid, entry.sha256)
        for row in await fetch(db, OF_STUDIES, [study_instance_uid])
        for entry in entries_of(row["entries"])
    ]
    row = await db.fetchrow(_PACKS, study_instance_uid)
    packs, size = row.values() if row else (0, 0)
    return Packed(tuple(instances), packs, size)


async def erase(db: Database, study_instance_uid: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Forget a study; its packs by bucket and key, and the keys of the objects with its metadata."""
    await db.execute(_MANIFESTS, study_instance_uid)
    packs = [(row["bucket"], row["key"]) for row in await db.fetch(_PACK, study_instance_uid)]
    series = await db.fetch(_SERIES, study_instance_uid)
    await db.execute(_STUDY, study_instance_uid)
    for said in _SAID:
        await db.execute(said, study_instance_uid)
    return packs, [row["metadata_key"] for row in series if row["metadata_key"]]
