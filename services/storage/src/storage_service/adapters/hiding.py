"""What is not shown: the one condition that all who look at instances share, and the counts without it."""

from collections.abc import Collection
from typing import Final

from storage_service.adapters.sql import Database
from storage_service.domain.rejection import GIVEN_BY_NAME


def hidden(series: str = "e", instance: str = "i", *, by_name: bool = False) -> str:
    """SQL: whether an instance is hidden; from who names it by its own UID fewer are. The names are those of tables."""
    given = ", ".join(f"'{code}'" for code in sorted(GIVEN_BY_NAME))
    return (
        f"EXISTS (SELECT FROM rejected x WHERE x.study_instance_uid = {series}.study_instance_uid"
        f" AND x.series_instance_uid IN ('', {series}.series_instance_uid)"
        f" AND x.sop_instance_uid IN ('', {instance}.sop_instance_uid)"
        f"{f' AND x.code NOT IN ({given})' if by_name else ''})"
    )


_REJECTED: Final = "SELECT DISTINCT study_instance_uid FROM rejected WHERE study_instance_uid = ANY($1::text[])"
_COUNT_SERIES: Final = f"""
UPDATE series SET number_of_instances = kept.instances
  FROM (SELECT e.series_key, count(i.sop_instance_uid)::int AS instances
          FROM series e LEFT JOIN instance i
               ON i.series_key = e.series_key AND i.revision = 0 AND NOT {hidden()}
         WHERE e.study_instance_uid = ANY($1::text[]) GROUP BY e.series_key) AS kept
 WHERE series.series_key = kept.series_key AND series.number_of_instances <> kept.instances
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


async def count_shown(db: Database, study_instance_uids: Collection[str]) -> None:
    """Count what is shown of these studies, which the transaction has locked."""
    await db.execute(_COUNT_SERIES, list(study_instance_uids))
    await db.execute(_COUNT_STUDIES, list(study_instance_uids))


async def count_where_rejected(db: Database, study_instance_uids: Collection[str]) -> None:
    """The same, for those among these studies of which something is rejected: it may have come now."""
    rejected = [row["study_instance_uid"] for row in await db.fetch(_REJECTED, list(study_instance_uids))]
    if rejected:
        await count_shown(db, rejected)
