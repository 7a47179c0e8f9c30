"""One message as it came: what the ledger enters."""

import hashlib
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, Self

from fj_hl7.message import Message

_MAX_KEY: Final = 200
UNREADABLE: Final = "unreadable"


class Connection(Protocol):
    """The three calls of an asyncpg connection that the ledger needs."""

    def fetch(self, query: str, /, *args: Any) -> Awaitable[list[Any]]: ...

    def fetchrow(self, query: str, /, *args: Any) -> Awaitable[Any]: ...

    def execute(self, query: str, /, *args: Any) -> Awaitable[str]: ...


class Key(NamedTuple):
    """What makes it the same message: MSH-10, MSH-3 and MSH-4 (joined by a tab), SHA-256 of the bytes."""

    control_id: str
    sender: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """One message as it came, with the answer that it gets if it is new."""

    key: Key
    raw: bytes
    answer: bytes
    kind: str
    peer: str

    @classmethod
    def of(cls, message: Message, raw: bytes, answer: bytes, peer: str = "") -> Self:
        """`message` names the sender; `raw` is all that came in the frame, a whole batch perhaps."""
        header = message.header
        sender = f"{header.raw(3)[:_MAX_KEY]}\t{header.raw(4)[:_MAX_KEY]}"
        key = Key(message.control_id[:_MAX_KEY], sender, hashlib.sha256(raw).digest())
        return cls(key, raw, answer, message.kind[:_MAX_KEY], peer)

    @classmethod
    def unreadable(cls, raw: bytes, answer: bytes, peer: str = "") -> Self:
        """Of bytes that are no message."""
        return cls(Key("", "", hashlib.sha256(raw).digest()), raw, answer, UNREADABLE, peer)
