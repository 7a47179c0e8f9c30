"""Following merges and unmerges: the row of the number, what else the room does, and the fact that it has followed."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from fj_bus import Consumer, Tx
from fj_events import PatientFollowed, PatientMerged, PatientUnmerged

Moved: TypeAlias = PatientMerged | PatientUnmerged
"""A fact that says whose a number is from now on."""
TABLE: Final = "survivor"
"""What a rebuild makes anew."""
_PUT: Final = """
INSERT INTO survivor (patient_id, survivor_id, until, patient, survivor) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (patient_id) DO UPDATE
   SET survivor_id = excluded.survivor_id, until = excluded.until, patient = excluded.patient,
       survivor = excluded.survivor
"""
_GIVEN_AWAY: Final = "UPDATE survivor SET survivor_id = $2, until = $3 WHERE patient_id = $1"
_DELETE: Final = "DELETE FROM survivor WHERE patient_id = $1"


def follow(consumer: Consumer, then: Callable[[Moved, Tx], Awaitable[None]] | None = None) -> None:
    """Keep the survivor map from the facts, and say that it was done.

    `then` does what the room has to do besides: it finds the map as the fact says, and is part of the transaction.
    """

    async def moved(fact: Moved, tx: Tx) -> None:
        await tx.lock("patient", str(fact.patient_id))
        await _keep(fact, tx)
        if then is not None:
            await then(fact, tx)
        tx.emit(_followed(fact, consumer.bus.service))

    consumer.on(PatientMerged)(moved)
    consumer.on(PatientUnmerged)(moved)


async def _keep(fact: Moved, tx: Tx) -> None:
    """One row per number. Facts of one number come in order, so the last one is the one that holds."""
    if isinstance(fact, PatientMerged) and fact.survivor_id != fact.patient_id:
        details = (each.model_dump_json(exclude_none=True) for each in (fact.patient, fact.survivor))
        await tx.connection.execute(_PUT, fact.patient_id, fact.survivor_id, fact.until, *details)
    elif fact.until is None:
        await tx.connection.execute(_DELETE, fact.patient_id)
    else:
        await tx.connection.execute(_GIVEN_AWAY, fact.patient_id, fact.survivor_id, fact.until)


def _followed(fact: Moved, room: str) -> PatientFollowed:
    stands_for_itself = isinstance(fact, PatientUnmerged)
    return PatientFollowed(
        site=fact.site,
        follower=f"{room}.{fact.patient_id}",
        room=room,
        patient_id=fact.patient_id,
        survivor_id=fact.patient_id if stands_for_itself else fact.survivor_id,
    )
