"""The ledger of received messages: the same message again gets the stored answer and has no second effect."""

import hashlib
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, Self

from fj_hl7.message import Message

_MAX_KEY: Final = 200

# One statement for a message that is new: it claims the key and tells whether the control id was used before.
_ENTER: Final = """
INSERT INTO hl7_received (sender, control_id, digest, answer, raw) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING EXISTS (
    SELECT FROM hl7_received AS other WHERE other.sender = $1 AND other.control_id = $2 AND other.digest <> $3
) AS reused
"""
_ANSWER: Final = "SELECT answer FROM hl7_received WHERE sender = $1 AND control_id = $2 AND digest = $3"
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
    """The two calls of an asyncpg connection that the ledger needs."""

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

    async def enter(self, connection: Connection, receipt: Receipt) -> Entry:
        """First statement of the transaction: enter the message with its answer, or find it there.

        A rollback takes the entry back with the effect. The same message on another connection waits here until the
        first one has committed (and is then answered from the ledger) or rolled back (and is then new).
        """
        key = (receipt.sender, receipt.control_id, receipt.digest)
        new = await connection.fetchrow(_ENTER, *key, receipt.answer, receipt.raw)
        if new is not None:
            return Entry(None, new["reused"])
        found = await connection.fetchrow(_ANSWER, *key)
        return Entry(found["answer"], reused=False)

    async def refuse(self, connection: Connection, receipt: Receipt) -> None:
        """Keep a refused message, in a transaction of its own."""
        await connection.execute(
            _REFUSE, receipt.sender, receipt.control_id, receipt.digest, receipt.answer, receipt.raw
        )

    async def forget(self, connection: Connection) -> int:
        """Retention, to be called now and then: delete what is older than `keep`. Returns how many messages."""
        row = await connection.fetchrow(_FORGET, datetime.now(UTC) - self._keep)
        return int(row["forgotten"])
