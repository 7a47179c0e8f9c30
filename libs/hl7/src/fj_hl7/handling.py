"""What a door works with: who handles messages, by what they are taken, who watches, and what becomes of a frame."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from fj_hl7.ack import ack
from fj_hl7.enhanced import Mode
from fj_hl7.errors import AckCode, CommitCode, Hl7Error
from fj_hl7.ledger import Ledger
from fj_hl7.message import Message
from fj_hl7.profiles import STANDARD, Profiles
from fj_hl7.receipt import Connection, Receipt


class Unit(Protocol):
    """One transaction, as `fj_bus` opens it."""

    @property
    def connection(self) -> Connection: ...


U = TypeVar("U", bound=Unit)
U_contra = TypeVar("U_contra", bound=Unit, contravariant=True)
R = TypeVar("R")
Reply = Sequence[Sequence[str]]
"""Raw fields of the segments behind MSA, as `ack` takes them."""
Handler = Callable[[Sequence[Message], U], Awaitable[Sequence[Reply] | None]]
"""Takes messages. May give what the reply says of each of them, in their order, beside AA."""


@dataclass(frozen=True, slots=True)
class Foreseeing(Generic[R, U]):
    """A handler that reads a message before the transaction, and knows then what its reply will be if all goes well.

    The ledger is entered with that answer, and only another one is written after it: one statement less. What is read
    may be taken more than once, and each time anew.
    """

    read: Callable[[Message], R]
    """Raises Refusal."""
    expects: Callable[[R], Reply]
    take: Callable[[Sequence[R], U], Awaitable[Sequence[Reply]]]


def foreseeing(handler: Handler[U] | Foreseeing[Any, U]) -> Foreseeing[Any, U]:
    """Any handler as one that foresees; a plain one expects nothing but AA."""
    if isinstance(handler, Foreseeing):
        return handler

    async def take(messages: Sequence[Message], unit: U) -> Sequence[Reply]:
        return await handler(messages, unit) or [()] * len(messages)

    return Foreseeing(read=lambda message: message, expects=lambda _: (), take=take)


class Watch(Protocol[U_contra]):
    """Who hears of what is refused, taken after all or read again, within the transaction that does it."""

    def refused(self, unit: U_contra, receipt: Receipt, outcome: "Outcome") -> None: ...

    def accepted(self, unit: U_contra, receipt: Receipt, message: Message) -> None:
        """What had been refused was taken after all."""

    def reread(self, unit: U_contra, receipt: Receipt, message: Message, reason: str) -> None:
        """A person had read again what had been taken."""


@dataclass(frozen=True, slots=True)
class Intake(Generic[U]):
    """What every door of a service takes messages by: what it has had already, how its senders write, who watches."""

    ledger: Ledger
    profiles: Profiles = STANDARD
    watch: Watch[U] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a frame."""

    raw: bytes
    """The application's reply."""
    code: AckCode
    kind: str
    first: Message | None
    """What is answered; None where it is no message."""
    errors: tuple[Hl7Error, ...] = ()
    kept: bool = True
    """Whether the message is in the ledger, taken or refused."""

    def answers(self) -> tuple[bytes, ...]:
        """What goes out: in enhanced mode what the sender wants of accept acknowledgement and reply."""
        mode = Mode(self.first) if self.first is not None else None
        if self.first is None or mode is None or not mode.enhanced:
            return (self.raw,)
        commit = mode.commit_code(self.code, kept=self.kept)
        errors = () if commit is CommitCode.CA else self.errors
        accept = (ack(self.first, commit, *errors),) if mode.wants_accept(commit) else ()
        return accept + ((self.raw,) if mode.wants_reply(self.code, commit) else ())
