"""A door: everything between a frame and its answer that is the same in every service."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Generic

import structlog

from fj_hl7 import metrics
from fj_hl7.ack import ack, nack_unreadable
from fj_hl7.batch import split_batch
from fj_hl7.errors import AckCode, BadMessage, BatchNotMessage, ErrorCode, Hl7Error, Refusal
from fj_hl7.frames import Frame, Taken
from fj_hl7.handling import Foreseeing, Handler, Intake, Outcome, U, foreseeing
from fj_hl7.message import LineEnds, Message
from fj_hl7.parts import INCOMPLETE
from fj_hl7.receipt import UNREADABLE, Came, Key, Receipt
from fj_hl7.together import Together

_log = structlog.get_logger("fj_hl7")

# Which door takes which message code, for the answer to those who knock at the wrong one.
_DOORS: Final = {
    **dict.fromkeys(("ORM", "OMG", "OMI"), "orders (MLLP 2575 by default)"),
    "ADT": "patients (MLLP 2576 by default)",
    **dict.fromkeys(("ORU", "MDM"), "results (MLLP 2577 by default)"),
    "SIU": "appointments (MLLP 2578 by default)",
}


class Door(Generic[U]):
    """Answers frames: read, enter in the ledger, call the handler of the message's kind, acknowledge.

    `handlers` by message code and trigger (`ADT^A04`). `unit` opens a transaction, under the name of who has something
    read again: the ledger's entry and what the handler does commit together, before AA. Frames that come at the same
    time share one, and a handler is given all their messages that follow each other, to take them in this order
    (`Foreseeing`: what it has read of them before). If one raises, nothing of it stays and each frame is taken again
    alone: so it may be called twice for a message and keeps nothing outside of `unit`. It refuses by raising `Refusal`;
    whatever else it raises becomes AE with a general text. Both leave nothing behind but the raw bytes among the
    refused ones.

    A sender that asks for enhanced mode (MSH-15, MSH-16) gets what it wants: accept acknowledgement, reply, both, none.

    Each message is read by the profile of its sender.

    A message in several parts (DSC-1, MSH-14) is handled when the last one comes; the others are kept until then.

    A batch is one unit: all its messages or none, and one answer, which carries the control id of the first.
    """

    def __init__(
        self,
        name: str,
        handlers: Mapping[str, Handler[U] | Foreseeing[Any, U]],
        unit: Callable[..., AbstractAsyncContextManager[U]],
        intake: Intake[U],
    ) -> None:
        self.name = name
        made = {each: foreseeing(each) for each in handlers.values()}
        self._handlers = {kind: made[each] for kind, each in handlers.items()}
        self._codes = {kind.partition("^")[0] for kind in handlers}
        self._unit = unit
        self._ledger = intake.ledger
        self._profiles = intake.profiles
        self._watch = intake.watch
        self._take: Together[Frame[U], Taken] = Together(self._take_all)

    async def __call__(self, raw: bytes, peer: str) -> tuple[bytes, ...]:
        """The answers to one frame from the address `peer`. Raises nothing but cancellation."""
        started = time.perf_counter()
        answer = await self.take(raw, peer)
        if answer.code is not AckCode.AA:
            _log.warning("hl7 message refused", door=self.name, peer=peer, kind=answer.kind, code=answer.code)
        metrics.MESSAGES.labels(self.name, answer.kind, answer.code).inc()
        metrics.ANSWER_SECONDS.labels(self.name).observe(time.perf_counter() - started)
        return answer.answers()

    async def take(self, raw: bytes, peer: str, actor: str | None = None) -> Outcome:
        """Take or refuse what came in one frame; `actor` has it tried again. Raises nothing but cancellation."""
        came = Came(raw, peer, actor)
        try:
            messages = self._read(came)
        except BadMessage as error:
            outcome = _unreadable(came, error)
            return await self._keep(Receipt.unreadable(came, outcome.raw), outcome)
        first = messages[0]
        outcome = await self._answered(first, self._accept(first, messages, came))
        if outcome.code is AckCode.AA:
            return outcome
        return await self._keep(Receipt.of(first, came, outcome.raw), outcome)

    async def reread(self, came: Came, received_at: datetime, reason: str) -> Outcome:
        """Let the handlers take once more what they took, as the profile of its sender reads it today.

        Its answer is the new one then. What they refuse changes nothing, and is still kept as taken. Raises nothing but
        cancellation.
        """
        try:
            messages = self._read(came)
        except BadMessage as error:
            return _unreadable(came, error)
        for message in messages:
            message.received_at = received_at
        return await self._answered(messages[0], self._accept_again(messages, came, reason))

    async def _answered(self, first: Message, accepting: Awaitable[Outcome]) -> Outcome:
        try:
            return await accepting
        except Refusal as refusal:
            code, errors, reply = refusal.code, refusal.errors, refusal.reply
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the sender gets its answer
            _log.error("hl7 handler failed", door=self.name, kind=self._label(first), exc_info=error)
            code, errors = AckCode.AE, (Hl7Error("The message could not be processed; nothing was changed"),)
            reply = ()
        return Outcome(ack(first, code, *errors, reply=reply), code, self._label(first), first, errors)

    async def _accept(self, first: Message, messages: list[Message], came: Came) -> Outcome:
        if first.is_part and len(messages) == 1:
            return await self._take_part(first, came)
        handlers = [self._handler(message) for message in messages]
        taken = await self._take(Frame.of(first, messages, handlers, came))
        entry = taken.entry
        if entry.stored is not None:
            metrics.REPEATED.labels(self.name).inc()
            return Outcome(taken.answer, AckCode.AA, self._label(first), first)
        if entry.reused:
            metrics.REUSED_IDS.labels(self.name).inc()
        self._count_irregular(messages)
        return Outcome(taken.answer, AckCode.AA, self._label(first), first)

    async def _take_all(self, frames: Sequence[Frame[U]]) -> list[Taken]:
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
            Taken(entry, answers.get(frame.receipt.key) or entry.stored or frame.receipt.answer)
            for frame, entry in zip(frames, entries, strict=True)
        ]

    async def _handle(self, frames: Sequence[Frame[U]], unit: U) -> dict[Key, bytes]:
        """Let the handlers take all messages; the answers of those frames of which they say other than expected."""
        for refusal in filter(None, (frame.refusal for frame in frames)):
            raise refusal
        replies: dict[Key, list[Sequence[str]]] = {frame.receipt.key: [] for frame in frames}
        triples = (
            (handler, read, frame.receipt.key)
            for frame in frames
            for handler, read in zip(frame.handlers, frame.read, strict=True)
        )
        for handler, group in groupby(triples, key=itemgetter(0)):
            run = list(group)
            for (_, _, key), reply in zip(run, await handler.take([each[1] for each in run], unit), strict=True):
                replies[key].extend(reply)
        others = ((frame, replies[frame.receipt.key]) for frame in frames)
        return {
            frame.receipt.key: ack(frame.answered, AckCode.AA, reply=reply)
            for frame, reply in others
            if reply != frame.expected
        }

    async def _accept_again(self, messages: Sequence[Message], came: Came, reason: str) -> Outcome:
        first = messages[0]
        frame = Frame.of(first, messages, [self._handler(message) for message in messages], came)
        receipt = frame.receipt
        async with self._unit(came.actor) as unit:
            answers = {receipt.key: receipt.answer} | await self._handle([frame], unit)
            await self._ledger.answer(unit.connection, answers)
            if self._watch is not None:
                self._watch.reread(unit, receipt, first, reason)
        return Outcome(answers[receipt.key], AckCode.AA, self._label(first), first)

    async def _take_part(self, part: Message, came: Came) -> Outcome:
        """Keep one part of a message; the last one takes the whole."""
        self._handler(part, part=True)
        receipt = Receipt.of(part, came, ack(part, AckCode.AA))
        async with self._unit() as unit:
            [entry] = await self._ledger.enter(unit.connection, [receipt])
            if entry.stored is not None:
                metrics.REPEATED.labels(self.name).inc()
                return Outcome(entry.stored, AckCode.AA, self._label(part), part)
            answer = receipt.answer
            if part.continued_by:
                self._tell(unit, await self._ledger.parts.keep(unit.connection, receipt, part))
            else:
                whole = self._profiles.read(await self._ledger.parts.finish(unit.connection, receipt, part), came.peer)
                frame = Frame.of(part, [whole], [self._handler(whole)], came)
                other = await self._handle([frame], unit)
                answer = other.get(receipt.key, frame.receipt.answer)
                await self._ledger.answer(unit.connection, {receipt.key: answer})
            if entry.refused and self._watch is not None:
                self._watch.accepted(unit, receipt, part)
        return Outcome(answer, AckCode.AA, self._label(part), part)

    async def give_up_parts(self) -> None:
        """What was acknowledged of messages that do not become whole is refused, for a person to see."""
        async with self._unit() as unit:
            self._tell(unit, await self._ledger.parts.give_up(unit.connection))

    def _tell(self, unit: U, incomplete: Sequence[Receipt]) -> None:
        if self._watch is None:
            return
        for receipt in incomplete:
            part = self._profiles.read(receipt.raw, receipt.peer)
            outcome = Outcome(receipt.answer, AckCode.AE, self._label(part), part, (INCOMPLETE,))
            self._watch.refused(unit, receipt, outcome)

    def _handler(self, message: Message, *, part: bool = False) -> Foreseeing[Any, U]:
        """The handler of the message, or a Refusal that names the right door."""
        if len(message.segments("MSH")) > 1:
            text = "more than one MSH in a frame that is no batch"
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "MSH", 2))
        handler = self._handlers.get(message.kind)
        if handler is None:
            raise self._not_taken(message)
        if message.is_part and not part:
            text = "one part of a message (DSC-1, MSH-14) in a batch, or read again by itself"
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
        """Keep a refused message, and say so where it is news, or a person had it tried again."""
        try:
            async with self._unit() as unit:
                is_told = await self._ledger.refuse(unit.connection, receipt, outcome.code, outcome.errors)
                if is_told and self._watch is not None:
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

    def _read(self, came: Came) -> list[Message]:
        try:
            return [self._profiles.read(came.raw, came.peer)]
        except BatchNotMessage:
            return [self._profiles.read(part, came.peer) for part in split_batch(came.raw)]


def _unreadable(came: Came, error: BadMessage) -> Outcome:
    wrong = Hl7Error(str(error), ErrorCode.SEGMENT_SEQUENCE_ERROR)
    return Outcome(nack_unreadable(came.raw, str(error)), AckCode.AR, UNREADABLE, None, (wrong,))
