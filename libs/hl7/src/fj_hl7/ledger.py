"""The ledger of received messages: the same message again gets the stored answer and has no second effect."""

import hashlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, Self

from fj_hl7.message import Message

_MAX_KEY: Final = 200

# One statement for messages that are new: it claims their keys and tells whose control id was used before.
_ENTER: Final = """
INSERT INTO hl7_received AS r (sender, control_id, digest, answer, raw)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[])
ON CONFLICT DO NOTHING
RETURNING r.sender, r.control_id, r.digest, EXISTS (
    SELECT FROM hl7_received AS other
    WHERE other.sender = r.sender AND other.control_id = r.control_id AND other.digest <> r.digest
) AS reused
"""
_ANSWERS: Final = """
SELECT r.sender, r.control_id, r.digest, r.answer
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS k(sender, control_id, digest)
JOIN hl7_received AS r USING (sender, control_id, digest)
"""
_REFUSE: Final = """
INSERT INTO hl7_refused (sender, control_id, digest, answer, raw) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (sender, control_id, digest)
DO UPDATE SET received_at = now(), times = hl7_refused.times + 1, answer = excluded.answer
"""
_FORGET: Final = """
WITH received AS (DELETE FROM hl7_received WHERE received_at < $1 RETURNING 1),
     refused AS (DELETE FROM hl7_refused WHERE received_at < $1 RETURNING 1)
SELECT (SELECT count(*) FROM received) + (SELECT count(*) FROM refused) AS forgotten
"""


class Connection(Protocol):
    """The three calls of an asyncpg connection that the ledger needs."""

    def fetch(self, query: str, /, *args: Any) -> Awaitable[list[Any]]: ...

    def fetchrow(self, query: str, /, *args: Any) -> Awaitable[Any]: ...

    def execute(self, query: str, /, *args: Any) -> Awaitable[str]: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """One message as it came, with the answer that it gets if it is new."""

    sender: str
    control_id: str
    digest: bytes
    raw: bytes
    answer: bytes

    @classmethod
    def of(cls, message: Message, raw: bytes, answer: bytes) -> Self:
        """`message` names the sender; `raw` is all that came in the frame, a whole batch perhaps."""
        header = message.header
        sender = f"{header.raw(3)[:_MAX_KEY]}\t{header.raw(4)[:_MAX_KEY]}"
        return cls(sender, message.control_id[:_MAX_KEY], hashlib.sha256(raw).digest(), raw, answer)

    @classmethod
    def unreadable(cls, raw: bytes, answer: bytes) -> Self:
        """Of bytes that are no message."""
        return cls("", "", hashlib.sha256(raw).digest(), raw, answer)

    @property
    def key(self) -> tuple[str, str, bytes]:
        """What makes it the same message."""
        return self.sender, self.control_id, self.digest


@dataclass(frozen=True, slots=True)
class Entry:
    """`stored` is the answer of the first time, None for a new message. `reused`: the control id had other bytes."""

    stored: bytes | None
    reused: bool


class Ledger:
    """Works inside the caller's transaction (READ COMMITTED), on the tables of `fj_hl7/migrations`.

    `keep`: how long a message is known. What is forgotten would be taken as new if it came again.
    """

    def __init__(self, keep: timedelta = timedelta(days=90)) -> None:
        self._keep = keep

    async def enter(self, connection: Connection, receipts: Sequence[Receipt]) -> list[Entry]:
        """First statement of the transaction: enter the messages with their answers, or find them there.

        A rollback takes the entries back with the effects. The same message on another connection waits here until the
        first one has committed (and is then answered from the ledger) or rolled back (and is then new). Of the same
        message twice in `receipts` the first is new.
        """
        # Sorted: two transactions that enter the same messages wait, and never for each other.
        rows = await connection.fetch(_ENTER, *_columns(sorted(receipts, key=lambda receipt: receipt.key)))
        new = {(row["sender"], row["control_id"], row["digest"]): Entry(None, row["reused"]) for row in rows}
        entries = [new.pop(receipt.key, None) for receipt in receipts]
        seen = [receipt for receipt, entry in zip(receipts, entries, strict=True) if entry is None]
        stored = await self._stored(connection, seen) if seen else {}
        return [
            entry or Entry(stored[receipt.key], reused=False) for receipt, entry in zip(receipts, entries, strict=True)
        ]

    async def _stored(self, connection: Connection, receipts: Sequence[Receipt]) -> dict[tuple[str, str, bytes], bytes]:
        rows = await connection.fetch(_ANSWERS, *_columns(receipts)[:3])
        return {(row["sender"], row["control_id"], row["digest"]): row["answer"] for row in rows}

    async def refuse(self, connection: Connection, receipt: Receipt) -> None:
        """Keep a refused message, in a transaction of its own."""
        await connection.execute(
            _REFUSE, receipt.sender, receipt.control_id, receipt.digest, receipt.answer, receipt.raw
        )

    async def forget(self, connection: Connection) -> int:
        """Retention, to be called now and then: delete what is older than `keep`. Returns how many messages."""
        row = await connection.fetchrow(_FORGET, datetime.now(UTC) - self._keep)
        return int(row["forgotten"])


def _columns(receipts: Sequence[Receipt]) -> tuple[list[str], list[str], list[bytes], list[bytes], list[bytes]]:
    return (
        [receipt.sender for receipt in receipts],
        [receipt.control_id for receipt in receipts],
        [receipt.digest for receipt in receipts],
        [receipt.answer for receipt in receipts],
        [receipt.raw for receipt in receipts],
    )
