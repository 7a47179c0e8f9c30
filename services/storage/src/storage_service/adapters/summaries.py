"""The series of studies as facts tell of them: what of them is shown, counted."""

from collections.abc import Collection
from typing import Final

from fj_events import SeriesSummary

from storage_service.adapters.sql import Database

_SERIES: Final = """
SELECT study_instance_uid, series_instance_uid, modality, series_number, series_description, body_part_examined,
       number_of_instances
  FROM series WHERE study_instance_uid = ANY($1::text[]) AND number_of_instances > 0
 ORDER BY series_number NULLS LAST, series_instance_uid
"""


async def series_of(db: Database, study_instance_uids: Collection[str]) -> dict[str, list[SeriesSummary]]:
    """Those of each of these studies, in order of their numbers."""
    found: dict[str, list[SeriesSummary]] = {uid: [] for uid in study_instance_uids}
    for row in await db.fetch(_SERIES, list(study_instance_uids)):
        found[row["study_instance_uid"]].append(
            SeriesSummary(
                series_instance_uid=row["series_instance_uid"],
                modality=row["modality"],
                number=row["series_number"],
                description=row["series_description"],
                body_part=row["body_part_examined"],
                number_of_instances=row["number_of_instances"],
            )
        )
    return found
