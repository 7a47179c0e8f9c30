"""Orders that a person may want to link a study to, in PostgreSQL."""

from datetime import timedelta
from typing import Final

from fj_events import PatientPhi

from storage_service.adapters.orders import BESIDE, order_keys
from storage_service.adapters.registered import registered
from storage_service.adapters.routed import keys_of
from storage_service.adapters.sql import Pool
from storage_service.domain.keys import OrderKeys, StudyKeys

# Whatever number the images carry, whoever gave it out; else what was open at that time: open orders alone are many,
# and those of other modalities are left aside.
_NEAR: Final = f"""
WITH found AS (
    SELECT * FROM known_order WHERE study_instance_uid = $1
     UNION SELECT * FROM known_order WHERE accession_number = $2
     UNION SELECT * FROM known_order WHERE open AND patient_id = ANY(ARRAY(SELECT names_of($3::uuid[])))
     UNION (SELECT * FROM known_order WHERE open AND day BETWEEN $5::date - $6::int AND $5 + $6
               AND (modality IS NULL OR modality = ANY($4::text[])) ORDER BY abs(day - $5), order_id LIMIT $7)
)
SELECT o.*, {BESIDE} FROM found o LEFT JOIN exam ON exam.order_id = o.order_id
"""
_LOOKED_AT: Final = 2000


class PostgresCandidates:
    """See `storage_service.ports.links.Candidates`."""

    def __init__(self, pool: Pool, window: timedelta) -> None:
        self._pool = pool
        self._window = window

    async def near(self, study_instance_uid: str) -> tuple[StudyKeys, list[OrderKeys]] | None:
        keys = await keys_of(self._pool, study_instance_uid)
        if keys is None:
            return None
        rows = await self._pool.fetch(
            _NEAR,
            study_instance_uid,
            keys.accession_number.value if keys.accession_number else None,
            list(keys.patient_ids),
            list(keys.modalities),
            keys.day,
            self._window.days,
            _LOOKED_AT,
        )
        return keys, list({row["order_id"]: order_keys(row) for row in rows}.values())

    async def registered(self, study_instance_uid: str) -> tuple[StudyKeys, list[PatientPhi]] | None:
        keys = await keys_of(self._pool, study_instance_uid)
        if keys is None:
            return None
        return keys, (await registered(self._pool, [study_instance_uid])).get(study_instance_uid, [])
