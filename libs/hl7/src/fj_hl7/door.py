"""A door: everything between a frame and its answer that is the same in every service."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Final, Generic, Protocol, TypeVar

import structlog

from fj_hl7 import metrics
from fj_hl7.ack import ack, nack_unreadable
from fj_hl7.batch import split_batch
from fj_hl7.enhanced import Mode
from fj_hl7.errors import AckCode, BadMessage, BatchNotMessage, CommitCode, ErrorCode, Hl7Error, Refusal
from fj_hl7.ledger import UNREADABLE, Connection, Entry, Key, Ledger, Receipt
from fj_hl7.message import LineEnds, Message
from fj_hl7.profiles import STANDARD, Profiles
from fj_hl7.together import Together

_log = structlog.get_logger("fj_hl7")

# Which door takes which message code, for the answer to those who knock at the wrong one.
_DOORS: Final = {
    **dict.fromkeys(("ORM", "OMG", "OMI"), "orders (MLLP 2575 by default)"),
    "ADT": "patients (MLLP 2576 by default)",
    **dict.fromkeys(("ORU", "MDM"), "results (MLLP 2577 by default)"),
    "SIU": "appointments (MLLP 2578 by default)",
}


class Unit(Protocol):
    """One transaction, as `fj_bus` opens it."""

    @property
    def connection(self) -> Connection: ...


U = TypeVar("U", bound=Unit)
U_contra = TypeVar("U_contra", bound=Unit, contravariant=True)
Reply = Sequence[Sequence[str]]
"""Raw fields of the segments behind MSA, as `ack` takes them."""
Handler = Callable[[Sequence[Message], U], Awaitable[Sequence[Reply] | None]]
"""Takes messages. May give what the reply says of each of them, in their order, beside AA."""


class Watch(Protocol[U_contra]):
    """Who hears of refused messages, within the transaction that keeps or settles them."""

    def refused(self, unit: U_contra, receipt: Receipt, outcome: "Outcome") -> None: ...

    def accepted(self, unit: U_contra, receipt: Receipt, message: Message) -> None:
        """What had been refused was taken after all."""


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


@dataclass(frozen=True, slots=True)
class _Taken:
    """A frame that was taken, and its answer, which is given once it is committed."""

    entry: Entry
    answer: bytes


@dataclass(frozen=True, slots=True)
class _Frame(Generic[U]):
    """What a frame holds and who handles it; the receipt has its answer, unless a handler has more to say."""

    messages: Sequence[Message]
    handlers: Sequence[Handler[U]]
    receipt: Receipt


class Door(Generic[U]):
    """Answers frames: read, enter in the ledger, call the handler of the message's kind, acknowledge.

    `handlers` by message code and trigger (`ADT^A04`). `unit` opens a transaction: the ledger's entry and what the
    handler does commit together, before AA. Frames that come at the same time share one, and a handler is given all
    their messages that follow each other, to take them in this order. If one raises, nothing of it stays and each
    frame is taken again alone: so it may be called twice for a message and keeps nothing outside of `unit`. It refuses
    by raising `Refusal`; whatever else it raises becomes AE with a general text. Both leave nothing behind but the raw
    bytes among the refused ones.

    A sender that asks for enhanced mode (MSH-15, MSH-16) gets what it wants: accept acknowledgement, reply, both, none.

    Each message is read by the profile of its sender.

    A batch is one unit: all its messages or none, and one answer, which carries the control id of the first.
    """

    def __init__(
        self,
        name: str,
        handlers: Mapping[str, Handler[U]],
        unit: Callable[[], AbstractAsyncContextManager[U]],
        intake: Intake[U],
    ) -> None:
        self.name = name
        self._handlers = handlers
        self._codes = {kind.partition("^")[0] for kind in handlers}
        self._unit = unit
        self._ledger = intake.ledger
        self._profiles = intake.profiles
        self._watch = intake.watch
        self._take: Together[_Frame[U], _Taken] = Together(self._take_all)

    async def __call__(self, raw: bytes, peer: str) -> tuple[bytes, ...]:
        """The answers to one frame from the address `peer`. Raises nothing but cancellation."""
        started = time.perf_counter()
        answer = await self.take(raw, peer)
        if answer.code is not AckCode.AA:
            _log.warning("hl7 message refused", door=self.name, peer=peer, kind=answer.kind, code=answer.code)
        metrics.MESSAGES.labels(self.name, answer.kind, answer.code).inc()
        metrics.ANSWER_SECONDS.labels(self.name).observe(time.perf_counter() - started)
        return answer.answers()

    async def take(self, raw: bytes, peer: str) -> Outcome:
        """Take or refuse what came in one frame. Raises nothing but cancellation."""
        try:
            messages = self._read(raw, peer)
        except BadMessage as error:
            refused = nack_unreadable(raw, str(error))
            wrong = Hl7Error(str(error), ErrorCode.SEGMENT_SEQUENCE_ERROR)
            outcome = Outcome(refused, AckCode.AR, UNREADABLE, None, (wrong,))
            return await self._keep(Receipt.unreadable(raw, refused, peer), outcome)
        first = messages[0]
        try:
            return await self._accept(first, messages, raw, peer)
        except Refusal as refusal:
            code, errors, reply = refusal.code, refusal.errors, refusal.reply
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the sender gets its answer
            _log.error("hl7 handler failed", door=self.name, kind=self._label(first), exc_info=error)
            code, errors = AckCode.AE, (Hl7Error("The message could not be processed; nothing was changed"),)
            reply = ()
        answer = ack(first, code, *errors, reply=reply)
        outcome = Outcome(answer, code, self._label(first), first, errors)
        return await self._keep(Receipt.of(first, raw, answer, peer), outcome)

    async def _accept(self, first: Message, messages: list[Message], raw: bytes, peer: str) -> Outcome:
        handlers = [self._handler(message) for message in messages]
        answer = ack(first, AckCode.AA)
        taken = await self._take(_Frame(messages, handlers, Receipt.of(first, raw, answer, peer)))
        entry = taken.entry
        if entry.stored is not None:
            metrics.REPEATED.labels(self.name).inc()
            return Outcome(taken.answer, AckCode.AA, self._label(first), first)
        if entry.reused:
            metrics.REUSED_IDS.labels(self.name).inc()
        self._count_irregular(messages)
        return Outcome(taken.answer, AckCode.AA, self._label(first), first)

    async def _take_all(self, frames: Sequence[_Frame[U]]) -> list[_Taken]:
        """All frames in one transaction, or none of them."""
        async with self._unit() as unit:
            entries = await self._ledger.enter(unit.connection, [frame.receipt for frame in frames])
            new = [frame for frame, entry in zip(frames, entries, strict=True) if entry.stored is None]
            answers = await self._handle(new, unit)
            if answers:
                await self._ledger.answer(unit.connection, answers)
            for frame, entry in zip(frames, entries, strict=True):
                if entry.refused and self._watch is not None:
                    self._watch.accepted(unit, frame.receipt, frame.messages[0])
        # The same message twice at once is answered alike: the ledger had not heard of this answer when it was asked.
        return [
            _Taken(entry, answers.get(frame.receipt.key) or entry.stored or frame.receipt.answer)
            for frame, entry in zip(frames, entries, strict=True)
        ]

    async def _handle(self, frames: Sequence[_Frame[U]], unit: U) -> dict[Key, bytes]:
        """Let the handlers take all messages; the answers of those frames of which they say more than AA."""
        replies: dict[Key, list[Sequence[str]]] = {}
        triples = (
            (handler, message, frame.receipt.key)
            for frame in frames
            for handler, message in zip(frame.handlers, frame.messages, strict=True)
        )
        for handler, group in groupby(triples, key=itemgetter(0)):
            run = list(group)
            for (_, _, key), reply in zip(run, await handler([each[1] for each in run], unit) or (), strict=False):
                replies.setdefault(key, []).extend(reply)
        first = {frame.receipt.key: frame.messages[0] for frame in frames}
        return {key: ack(first[key], AckCode.AA, reply=reply) for key, reply in replies.items() if reply}

    def _handler(self, message: Message) -> Handler[U]:
        """The handler of the message, or a Refusal that names the right door."""
        if len(message.segments("MSH")) > 1:
            text = "more than one MSH in a frame that is no batch"
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "MSH", 2))
        handler = self._handlers.get(message.kind)
        if handler is None:
            raise self._not_taken(message)
        if message.is_part:
            text = "one part of a message (DSC-1, MSH-14); send it whole: 16 MiB fit"
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "MSH", 1, 14))
        if message.strangers:
            text = f"line {message.strangers[0]} of the message is no segment"
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR))
        return handler

    def _not_taken(self, message: Message) -> Refusal:
        if message.code in self._codes:
            code, place = ErrorCode.UNSUPPORTED_EVENT_CODE, 2
            text = f"the door {self.name} takes {', '.join(sorted(self._handlers))}"
        else:
            code, place = ErrorCode.UNSUPPORTED_MESSAGE_TYPE, 1
            right = _DOORS.get(message.code)
            text = f"{message.code} belongs to the door {right}" if right else "no door takes this message type"
        return Refusal(AckCode.AR, Hl7Error(text, code, "MSH", 1, 9, place))

    async def _keep(self, receipt: Receipt, outcome: Outcome) -> Outcome:
        """Keep a refused message, and say so where it is news."""
        try:
            async with self._unit() as unit:
                news = await self._ledger.refuse(unit.connection, receipt, outcome.code, outcome.errors)
                if news and self._watch is not None:
                    self._watch.refused(unit, receipt, outcome)
        except Exception as error:  # noqa: BLE001 - the refusal stands, with or without its copy
            _log.error("hl7 refused message not kept", door=self.name, exc_info=error)
            return replace(outcome, kept=False)
        return outcome

    def _label(self, message: Message) -> str:
        kind = message.kind
        return kind if kind in self._handlers else "other"

    def _count_irregular(self, messages: list[Message]) -> None:
        for message in messages:
            if message.line_ends is not LineEnds.CR:
                metrics.IRREGULAR.labels(self.name, f"line ends {message.line_ends}").inc()
            if message.warnings:
                metrics.IRREGULAR.labels(self.name, "mended").inc()

    def _read(self, raw: bytes, peer: str) -> list[Message]:
        try:
            return [self._profiles.read(raw, peer)]
        except BatchNotMessage:
            return [self._profiles.read(part, peer) for part in split_batch(raw)]
