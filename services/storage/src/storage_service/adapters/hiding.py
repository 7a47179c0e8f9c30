"""What is not shown, and the counts without it."""

from collections.abc import Collection, Iterator
from typing import Final

from storage_service.adapters import manifests
from storage_service.adapters.manifests import OF_STUDIES, Manifest
from storage_service.adapters.sql import Connected, Database, columns
from storage_service.domain.manifest import Entry, entries_of
from storage_service.domain.rejection import Hidden

_HIDDEN: Final = """
SELECT study_instance_uid, series_instance_uid, sop_instance_uid, code FROM rejected
 WHERE study_instance_uid = ANY($1::text[])
"""
_REJECTED: Final = "SELECT DISTINCT study_instance_uid FROM rejected WHERE study_instance_uid = ANY($1::text[])"
_SERIES: Final = """
SELECT series_key, study_instance_uid, series_instance_uid FROM series WHERE study_instance_uid = ANY($1::text[])
"""
_COUNT_SERIES: Final = """
UPDATE series SET number_of_instances = kept.instances, sop_classes = string_to_array(kept.classes, E'\\\\')
  FROM unnest($1::bigint[], $2::int[], $3::text[]) AS kept (series_key, instances, classes)
 WHERE series.series_key = kept.series_key
   AND (number_of_instances <> kept.instances OR sop_classes <> string_to_array(kept.classes, E'\\\\'))
"""
_COUNT_STUDIES: Final = """
UPDATE study s
   SET number_of_instances = kept.instances, number_of_series = kept.series, modalities = kept.modalities
  FROM (SELECT r.study_instance_uid, r.study_date, sum(e.number_of_instances)::int AS instances,
               count(*) FILTER (WHERE e.number_of_instances > 0)::int AS series,
               coalesce(array_agg(DISTINCT e.modality ORDER BY e.modality)
                        FILTER (WHERE e.number_of_instances > 0 AND e.modality IS NOT NULL), '{}') AS modalities
          FROM study_route r JOIN series e USING (study_instance_uid)
         WHERE r.study_instance_uid = ANY($1::text[]) GROUP BY r.study_instance_uid, r.study_date) AS kept
 WHERE s.study_instance_uid = kept.study_instance_uid AND s.study_date = kept.study_date
"""


async def hidden_of(db: Connected, study_instance_uids: Collection[str]) -> Hidden:
    """What is hidden of these studies."""
    if not study_instance_uids:
        return Hidden()
    rows = await db.fetch(_HIDDEN, list(study_instance_uids))
    return Hidden.by(((study, series, instance), code) for study, series, instance, code in rows)


async def hidden_in(db: Connected, found: Collection[Manifest]) -> Hidden:
    """The same, of the studies of these manifests."""
    return await hidden_of(db, {manifest.study_instance_uid for manifest in found if manifest.rejections})


def shown(manifest: Manifest, hidden: Hidden) -> Iterator[Entry]:
    """The current instances of a manifest that are not hidden."""
    current = manifest.content.current
    return (entry for uid, entry in current.items() if not hidden.hides(*manifest.uids, uid))


async def count_shown(db: Database, study_instance_uids: Collection[str]) -> None:
    """Count what is shown of these studies, which the transaction has locked."""
    uids = list(study_instance_uids)
    hidden = await hidden_of(db, uids)
    counts: dict[int, set[Entry]] = {row["series_key"]: set() for row in await db.fetch(_SERIES, uids)}
    for row in await manifests.fetch(db, OF_STUDIES, uids):
        of = row["study_instance_uid"], row["series_instance_uid"]
        counts[row["series_key"]].update(
            entry
            for entry in entries_of(row["entries"])
            if not entry.revision and not hidden.hides(*of, entry.sop_instance_uid)
        )
    rows = [
        (key, len(entries), "\\".join(sorted({entry.sop_class_uid for entry in entries})))
        for key, entries in counts.items()
    ]
    await db.execute(_COUNT_SERIES, *columns(rows, 3))
    await db.execute(_COUNT_STUDIES, uids)


async def count_where_rejected(db: Database, study_instance_uids: Collection[str]) -> None:
    """The same, for those among these studies of which something is rejected: it may have come now."""
    rejected = [row["study_instance_uid"] for row in await db.fetch(_REJECTED, list(study_instance_uids))]
    if rejected:
        await count_shown(db, rejected)
