"""Following merges and unmerges: the rows of the number, what else the room does, and the fact that it has followed."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from fj_bus import Consumer, Tx
from fj_events import PatientFollowed, PatientMerged, PatientPhi, PatientUnmerged

Moved: TypeAlias = PatientMerged | PatientUnmerged
"""A fact that says whose a number is from now on."""
Former: TypeAlias = Mapping[UUID, PatientPhi]
"""Whose all or some records under a number were until a fact came, and are not any more; as they were known."""
TABLE: Final = "survivor"
"""What a rebuild makes anew."""
_PUT: Final = """
INSERT INTO survivor (patient_id, survivor_id, until, patient, survivor)
SELECT $1, id, before, $2, named
  FROM unnest($3::uuid[], $4::timestamptz[], $5::jsonb[]) AS holder (id, before, named)
"""
# What was written before facts told of every holder.
_GIVEN_AWAY: Final = "UPDATE survivor SET survivor_id = $2, until = $3 WHERE patient_id = $1"
_DELETE: Final = "DELETE FROM survivor WHERE patient_id = $1 RETURNING survivor_id, until, survivor"


class _Holder(NamedTuple):
    survivor_id: UUID
    until: datetime | None
    survivor: PatientPhi


def follow(
    consumer: Consumer,
    then: Callable[[Moved, Tx], Awaitable[None]] | None = None,
    parted: Callable[[Moved, Former, Tx], Awaitable[None]] | None = None,
) -> None:
    """Keep the survivor map from the facts, and say that it was done.

    `then` does what the room has to do besides: it finds the map as the fact says, and is part of the transaction.
    `parted`, after it, does what there is to do where the number left somebody with whom it counted as one.
    """

    async def moved(fact: Moved, tx: Tx) -> None:
        await tx.lock("patient", str(fact.patient_id))
        former = await _keep(fact, tx)
        if then is not None:
            await then(fact, tx)
        if parted is not None and former:
            await parted(fact, former, tx)
        tx.emit(_followed(fact, consumer.bus.service))

    consumer.on(PatientMerged)(moved)
    consumer.on(PatientUnmerged)(moved)


async def _keep(fact: Moved, tx: Tx) -> Former:
    """All of a number are written anew. Facts of one number come in order, so the last one is the one that holds."""
    if isinstance(fact, PatientUnmerged) and fact.until is not None and not fact.earlier:
        await tx.connection.execute(_GIVEN_AWAY, fact.patient_id, fact.survivor_id, fact.until)
        return {}
    before = await tx.connection.fetch(_DELETE, fact.patient_id)
    said = _holders(fact)
    if said:
        patient = fact.patient.model_dump_json(exclude_none=True)
        ids, untils = [each.survivor_id for each in said], [each.until for each in said]
        named = [each.survivor.model_dump_json(exclude_none=True) for each in said]
        await tx.connection.execute(_PUT, fact.patient_id, patient, ids, untils, named)
    stays = {(each.survivor_id, each.until) for each in said}
    return {
        row["survivor_id"]: PatientPhi.model_validate_json(row["survivor"], extra="ignore")
        for row in before
        if (row["survivor_id"], row["until"]) not in stays
    }


def _holders(fact: Moved) -> list[_Holder]:
    said = [_Holder(each.survivor_id, each.until, each.survivor) for each in fact.earlier]
    if isinstance(fact, PatientMerged) and fact.survivor_id != fact.patient_id:
        said.append(_Holder(fact.survivor_id, fact.until, fact.survivor))
    return said


def _followed(fact: Moved, room: str) -> PatientFollowed:
    stands_for_itself = isinstance(fact, PatientUnmerged)
    return PatientFollowed(
        site=fact.site,
        follower=f"{room}.{fact.patient_id}",
        room=room,
        patient_id=fact.patient_id,
        survivor_id=fact.patient_id if stands_for_itself else fact.survivor_id,
    )
