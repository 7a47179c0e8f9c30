"""The tables `performed_step` and `study`: what modalities and images have shown so far, whoever came first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from fj_events import Uid

from scheduling_service.domain.exam import Ordered
from scheduling_service.domain.performed import PerformedStep
from scheduling_service.domain.study import Study

if TYPE_CHECKING:
    from fj_bus import Connection

_SURROUNDINGS: Final = """
WITH mine AS (SELECT study_instance_uid, study FROM study WHERE order_id = $1)
SELECT 'study' AS kind, study::text AS text, NULL AS created_at, study_instance_uid AS uid FROM mine
UNION ALL
SELECT 'performed', performed::text, created_at, sop_instance_uid FROM performed_step
 WHERE NOT is_ordered
   AND (study_uids && ($2 || ARRAY(SELECT study_instance_uid FROM mine)) OR accession_numbers && $3 OR step_ids && $4)
 ORDER BY kind, created_at, uid
"""
_LOST: Final = """
SELECT study_instance_uid FROM study
 WHERE study_instance_uid = ANY($1::text[])
   AND (study -> 'left' ? $3 OR (order_id <> $2 AND (study ->> 'by_person')::boolean))
"""
_ADD_PERFORMED: Final = """
INSERT INTO performed_step (sop_instance_uid, study_uids, accession_numbers, step_ids, performed)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_PERFORMED: Final = "SELECT performed::text FROM performed_step WHERE sop_instance_uid = $1 FOR NO KEY UPDATE"
_SAVE_PERFORMED: Final = "UPDATE performed_step SET performed = $2, changed_at = now() WHERE sop_instance_uid = $1"
_STUDY: Final = "SELECT study::text FROM study WHERE study_instance_uid = $1 FOR UPDATE"
_SAVE_STUDY: Final = """
INSERT INTO study (study_instance_uid, order_id, study) VALUES ($1, $2, $3)
ON CONFLICT (study_instance_uid) DO UPDATE SET order_id = excluded.order_id, study = excluded.study
"""


async def surroundings(
    connection: "Connection", ordered: Ordered, step_ids: Sequence[str]
) -> tuple[list[Study], list[PerformedStep]]:
    """The studies of an order, and the performed steps without an ordered exam that may be its."""
    details = ordered.details
    rows = await connection.fetch(
        _SURROUNDINGS, ordered.order_id, [details.study_instance_uid], [details.accession_number.value], step_ids
    )
    return (
        [_study(row["text"]) for row in rows if row["kind"] == "study"],
        [_performed(row["text"]) for row in rows if row["kind"] == "performed"],
    )


async def lost(connection: "Connection", order_id: UUID, study_instance_uids: Sequence[Uid]) -> frozenset[Uid]:
    """Those of these studies that are not the order's, as a person said."""
    rows = (
        await connection.fetch(_LOST, list(study_instance_uids), order_id, str(order_id)) if study_instance_uids else []
    )
    return frozenset(row["study_instance_uid"] for row in rows)


async def read(connection: "Connection", sop_instance_uid: Uid) -> PerformedStep | None:
    """A performed step, locked until the end."""
    text = await connection.fetchval(_PERFORMED, sop_instance_uid)
    return None if text is None else _performed(text)


async def add(connection: "Connection", performed: PerformedStep) -> bool:
    """Keep a new one. False when its UID is taken."""
    status = await connection.execute(
        _ADD_PERFORMED, performed.sop_instance_uid, *names_of(performed), _json(performed)
    )
    return bool(status == "INSERT 0 1")


async def save(connection: "Connection", performed: PerformedStep) -> None:
    """Keep a changed one."""
    await connection.execute(_SAVE_PERFORMED, performed.sop_instance_uid, _json(performed))


async def read_study(connection: "Connection", study_instance_uid: Uid) -> Study:
    """What is known about a study, locked until the end."""
    text = await connection.fetchval(_STUDY, study_instance_uid)
    return Study(study_instance_uid=study_instance_uid) if text is None else _study(text)


async def save_study(connection: "Connection", study: Study) -> None:
    """Keep what is known about a study."""
    text = study.model_dump_json(exclude_none=True)
    await connection.execute(_SAVE_STUDY, study.study_instance_uid, study.order_id, text)


def names_of(performed: PerformedStep) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Study UIDs, accession numbers and step ids by which it says whom it performs."""
    references = performed.references
    return (
        [uid for each in references for uid in each.study_uids],
        [each.accession_number for each in references if each.accession_number],
        [each.step_id for each in references if each.step_id],
    )


def _json(performed: PerformedStep) -> str:
    return performed.model_dump_json(exclude_none=True)


def _performed(text: str) -> PerformedStep:
    return PerformedStep.model_validate_json(text, extra="ignore")


def _study(text: str) -> Study:
    return Study.model_validate_json(text, extra="ignore")
