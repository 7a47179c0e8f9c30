"""A frame on its way through a door."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self

from fj_hl7.ack import ack
from fj_hl7.errors import AckCode, Refusal
from fj_hl7.handling import Foreseeing, U
from fj_hl7.ledger import Entry
from fj_hl7.message import Message
from fj_hl7.receipt import Came, Receipt


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame that was taken, and its answer, which is given once it is committed."""

    entry: Entry
    answer: bytes


@dataclass(frozen=True, slots=True)
class Frame(Generic[U]):
    """What a frame holds and who handles it; the receipt has its answer, unless a handler says something else."""

    answered: Message
    """Whose control id the answer repeats."""
    messages: Sequence[Message]
    handlers: Sequence[Foreseeing[Any, U]]
    read: Sequence[Any]
    """What each handler has read of its message."""
    expected: list[Sequence[str]]
    """What the answer of the receipt says behind MSA."""
    receipt: Receipt

    refusal: Refusal | None = None
    """Why the messages do not fit, which counts only where they are new."""

    @classmethod
    def of(
        cls,
        answered: Message,
        messages: Sequence[Message],
        handlers: Sequence[Foreseeing[Any, U]],
        came: Came,
    ) -> Self:
        """A frame with what its handlers can say of it before the transaction."""
        read, expected, refusal = [], list[Sequence[str]](), None
        try:
            for handler, message in zip(handlers, messages, strict=True):
                read.append(handler.read(message))
                expected += handler.expects(read[-1])
        except Refusal as error:
            refusal = error
        receipt = Receipt.of(answered, came, ack(answered, AckCode.AA, reply=expected))
        return cls(answered, messages, handlers, read, expected, receipt, refusal)
