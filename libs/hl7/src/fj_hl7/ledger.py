"""The ledger of received messages: the same message again gets the stored answer and has no second effect."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fj_hl7.errors import AckCode, Hl7Error
from fj_hl7.parts import Parts
from fj_hl7.receipt import Connection, Key, Receipt
from fj_hl7.seal import Seal

# One statement for messages that are new: it claims their keys and tells whose control id was used before, and which
# had been refused.
_ENTER: Final = """
INSERT INTO hl7_received AS r (control_id, sender, digest, answer, raw, kind, peer, sealed)
SELECT *, true FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[], $7::text[])
ON CONFLICT DO NOTHING
RETURNING r.control_id, r.sender, r.digest, EXISTS (
    SELECT FROM hl7_received AS other
    WHERE other.sender = r.sender AND other.control_id = r.control_id AND other.digest <> r.digest
) AS reused, EXISTS (
    SELECT FROM hl7_refused AS f
    WHERE f.control_id = r.control_id AND f.sender = r.sender AND f.digest = r.digest AND f.settled_at IS NULL
) AS refused
"""
_ANSWER: Final = """
UPDATE hl7_received AS r SET answer = k.answer
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) AS k(control_id, sender, digest, answer)
WHERE r.control_id = k.control_id AND r.sender = k.sender AND r.digest = k.digest
"""
_ANSWERS: Final = """
SELECT r.control_id, r.sender, r.digest, r.answer
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS k(control_id, sender, digest)
JOIN hl7_received AS r USING (control_id, sender, digest)
"""
# Said of it is what is new, or what a person did ($10): a sender that repeats itself every few seconds is one thing to
# look at. What is said of a message that was dismissed makes it one again that somebody has to settle.
_IS_TOLD: Final = "($10 OR (r.code, r.errors) <> (excluded.code, excluded.errors))"
_REFUSE: Final = f"""
WITH known AS (
    SELECT code, errors FROM hl7_refused WHERE control_id = $1 AND sender = $2 AND digest = $3
)
INSERT INTO hl7_refused AS r (control_id, sender, digest, answer, raw, kind, peer, sealed, code, errors)
VALUES ($1, $2, $3, $4, $5, $6, $7, true, $8, $9)
ON CONFLICT (control_id, sender, digest)
DO UPDATE SET received_at = now(), times = r.times + 1, answer = excluded.answer,
    code = excluded.code, errors = excluded.errors, peer = excluded.peer,
    settled_at = CASE WHEN NOT {_IS_TOLD} THEN r.settled_at END,
    settled_as = CASE WHEN NOT {_IS_TOLD} THEN r.settled_as END,
    settled_by = CASE WHEN NOT {_IS_TOLD} THEN r.settled_by END
RETURNING $10 OR NOT EXISTS (SELECT FROM known WHERE known.code = $8 AND known.errors = $9) AS is_told
"""
_SETTLE: Final = """
UPDATE hl7_refused AS f SET settled_at = now(), settled_as = $4, settled_by = k.actor
FROM unnest($1::text[], $2::text[], $3::bytea[], $5::text[]) AS k(control_id, sender, digest, actor)
WHERE f.control_id = k.control_id AND f.sender = k.sender AND f.digest = k.digest AND f.settled_at IS NULL
RETURNING 1
"""
_FORGET: Final = """
WITH received AS (DELETE FROM hl7_received WHERE received_at < $1 RETURNING 1),
     refused AS (DELETE FROM hl7_refused WHERE received_at < $1 RETURNING 1),
     looks AS (DELETE FROM hl7_looks WHERE at < $1)
SELECT (SELECT count(*) FROM received) + (SELECT count(*) FROM refused) AS forgotten
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """`stored` is the answer of the first time, None for a new message. `reused`: the control id had other bytes."""

    stored: bytes | None
    reused: bool
    refused: bool = False
    """These bytes had been refused before, and nobody has settled it since."""


class Ledger:
    """Works inside the caller's transaction (READ COMMITTED), on the tables of `fj_hl7/migrations`.

    `keep`: how long a message is known. What is forgotten would be taken as new if it came again.
    """

    def __init__(self, seal: Seal, keep: timedelta = timedelta(days=90)) -> None:
        self._seal = seal
        self._keep = keep
        self.parts = Parts(seal)

    async def enter(self, connection: Connection, receipts: Sequence[Receipt]) -> list[Entry]:
        """First statement of the transaction: enter the messages with their answers, or find them there.

        A rollback takes the entries back with the effects. The same message on another connection waits here until the
        first one has committed (and is then answered from the ledger) or rolled back (and is then new). Of the same
        message twice in `receipts` the first is new. What had been refused is settled with its effect.
        """
        # Sorted: two transactions that enter the same messages wait, and never for each other.
        ordered = sorted(receipts, key=lambda receipt: receipt.key)
        rows = await connection.fetch(_ENTER, *_keys(ordered), *self._contents(ordered))
        new = {_key(row): Entry(None, row["reused"], row["refused"]) for row in rows}
        if again := {key for key, entry in new.items() if entry.refused}:
            actors = {receipt.key: receipt.actor for receipt in reversed(receipts) if receipt.key in again}
            await connection.fetch(_SETTLE, *_columns(list(actors)), "accepted", list(actors.values()))
        entries = [new.pop(receipt.key, None) for receipt in receipts]
        seen = [receipt for receipt, entry in zip(receipts, entries, strict=True) if entry is None]
        stored = await self._stored(connection, seen) if seen else {}
        return [
            entry or Entry(stored[receipt.key], reused=False) for receipt, entry in zip(receipts, entries, strict=True)
        ]

    async def answer(self, connection: Connection, answers: Mapping[Key, bytes]) -> None:
        """Other answers than the ones that messages were entered with, in the same transaction."""
        await connection.execute(_ANSWER, *_columns(list(answers)), list(answers.values()))

    async def _stored(self, connection: Connection, receipts: Sequence[Receipt]) -> dict[Key, bytes]:
        rows = await connection.fetch(_ANSWERS, *_keys(receipts))
        return {_key(row): row["answer"] for row in rows}

    async def refuse(
        self, connection: Connection, receipt: Receipt, code: AckCode, errors: Sequence[Hl7Error] = ()
    ) -> bool:
        """Keep a refused message, in a transaction of its own.

        False: nothing is said of it. It was refused so before, and no person had it tried again.
        """
        sealed = self._seal.close(receipt.raw, receipt.key.digest)
        told = json.dumps([[error.code, error.segment, error.sequence, error.field] for error in errors])
        contents = (receipt.answer, sealed, receipt.kind, receipt.peer)
        by_person = receipt.actor is not None
        row = await connection.fetchrow(_REFUSE, *receipt.key, *contents, code.value, told, by_person)
        return bool(row["is_told"])

    async def settle(self, connection: Connection, key: Key, actor: str) -> bool:
        """A person says that nothing is to be done about a refused message. False: nobody waits for that."""
        return bool(await connection.fetch(_SETTLE, *_columns([key]), "dismissed", [actor]))

    async def forget(self, connection: Connection) -> int:
        """Retention, to be called now and then: delete what is older than `keep`. Returns how many messages."""
        row = await connection.fetchrow(_FORGET, datetime.now(UTC) - self._keep)
        return int(row["forgotten"])

    def _contents(self, receipts: Sequence[Receipt]) -> tuple[list[bytes], list[bytes], list[str], list[str]]:
        return (
            [receipt.answer for receipt in receipts],
            [self._seal.close(receipt.raw, receipt.key.digest) for receipt in receipts],
            [receipt.kind for receipt in receipts],
            [receipt.peer for receipt in receipts],
        )


def _key(row: Any) -> Key:
    return Key(row["control_id"], row["sender"], row["digest"])


def _keys(receipts: Sequence[Receipt]) -> tuple[list[str], list[str], list[bytes]]:
    return _columns([receipt.key for receipt in receipts])


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str], list[bytes]]:
    return [key.control_id for key in keys], [key.sender for key in keys], [key.digest for key in keys]
