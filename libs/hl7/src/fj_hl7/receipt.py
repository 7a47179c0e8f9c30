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


class Came(NamedTuple):
    """What came in one frame."""

    raw: bytes
    peer: str
    actor: str | None = None
    """Who has a kept message tried again; None: its sender sends it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One message as it came, with the answer that it gets if it is new."""

    key: Key
    raw: bytes
    answer: bytes
    kind: str
    peer: str
    actor: str | None = None
    """Who had it tried again; None: it came from its sender."""

    @classmethod
    def of(cls, message: Message, came: Came, answer: bytes) -> Self:
        """`message` names the sender; what came in the frame may be a whole batch."""
        header = message.header
        sender = f"{header.raw(3)[:_MAX_KEY]}\t{header.raw(4)[:_MAX_KEY]}"
        key = Key(message.control_id[:_MAX_KEY], sender, hashlib.sha256(came.raw).digest())
        return cls(key, came.raw, answer, message.kind[:_MAX_KEY], came.peer, came.actor)

    @classmethod
    def unreadable(cls, came: Came, answer: bytes) -> Self:
        """Of bytes that are no message."""
        return cls(Key("", "", hashlib.sha256(came.raw).digest()), came.raw, answer, UNREADABLE, came.peer, came.actor)
