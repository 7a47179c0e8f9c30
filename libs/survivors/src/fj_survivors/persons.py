"""Following links and unlinks: which person a number stands for, and the fact that the room has followed."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from fj_bus import Consumer, Tx
from fj_events import PatientLinked, PatientLinkFollowed, PatientUnlinked

Joined: TypeAlias = PatientLinked | PatientUnlinked
"""A fact that says which person a number stands for from now on."""
PERSON: Final = "person"
"""What a rebuild makes anew."""
_PUT: Final = """
INSERT INTO person (patient_id, enterprise_id) VALUES ($1, $2)
ON CONFLICT (patient_id) DO UPDATE SET enterprise_id = excluded.enterprise_id
"""


def follow_links(consumer: Consumer, then: Callable[[Joined, Tx], Awaitable[None]] | None = None) -> None:
    """Keep which person each number stands for, and say that it was done. `then` does what else the room has to do.

    A row is kept of a number that is its person's own too: others may stand for the same person by it. Facts of one
    number come in order, so the last one is the one that holds.
    """

    async def joined(fact: Joined, tx: Tx) -> None:
        await tx.connection.execute(_PUT, fact.patient_id, fact.enterprise_id)
        if then is not None:
            await then(fact, tx)
        room = consumer.bus.service
        tx.emit(
            PatientLinkFollowed(
                site=fact.site,
                follower=f"{room}.{fact.patient_id}",
                room=room,
                patient_id=fact.patient_id,
                enterprise_id=fact.enterprise_id,
            )
        )

    consumer.on(PatientLinked)(joined)
    consumer.on(PatientUnlinked)(joined)
