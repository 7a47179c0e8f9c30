"""Which facts `portal` listens to: all about exams and patients, none about instances or commitment requests."""

from collections.abc import Callable
from typing import Final

from fj_bus import Consumer, Tx
from fj_events import (
    REGISTRY,
    TOPICS,
    ExceptionDismissed,
    ExceptionRestored,
    Fact,
    LetterDropped,
    LetterReplayed,
    MessageRefused,
    MessageSettled,
    OrderChanged,
    PatientDuplicateDismissed,
    PatientDuplicateResolved,
    PatientDuplicateSuspected,
    PatientRegistered,
    PatientUpdated,
    WorkGivenUp,
    WorkSettled,
)
from fj_survivors import Joined, Moved, follow, follow_links, follow_visit

from portal_service import dismissing, handlers
from portal_service.ports import Acts, Exams, Pairs

_NOT_ABOUT_EXAMS: Final = frozenset(
    fact.topic for fact in (PatientRegistered, MessageRefused, WorkGivenUp, ExceptionDismissed)
)


def subscribe(
    consumer: Consumer, exams: Callable[[Tx], Exams], pairs: Callable[[Tx], Pairs], acts: Callable[[Tx], Acts]
) -> None:
    """Bind every fact of the topics whose YAML names this service."""

    async def about_exam(fact: Fact, tx: Tx) -> None:
        if tx.cause is not None:
            await handlers.on_fact(fact, tx.cause, exams(tx))
        if isinstance(fact, OrderChanged):
            follow_visit(fact, consumer, tx)

    _patients(consumer, exams)
    _subscribe_pairs(consumer, pairs)
    _subscribe_to_messages(consumer, exams, acts)
    _subscribe_to_acts(consumer, exams, acts)
    for name, kind in REGISTRY.items():
        topic = TOPICS[kind.topic]
        about_something_else = kind.topic in _NOT_ABOUT_EXAMS or name in topic.other_keys
        if "portal" in topic.consumers and not about_something_else:
            consumer.on(kind)(about_exam)


def _subscribe_pairs(consumer: Consumer, pairs: Callable[[Tx], Pairs]) -> None:
    @consumer.on(PatientDuplicateSuspected)
    async def _(fact: PatientDuplicateSuspected, tx: Tx) -> None:
        if tx.cause is not None:
            await handlers.on_duplicate_suspected(fact, tx.cause.time, pairs(tx))

    async def answered(fact: PatientDuplicateDismissed | PatientDuplicateResolved, tx: Tx) -> None:
        await handlers.on_duplicate_answered(fact, pairs(tx))

    consumer.on(PatientDuplicateDismissed)(answered)
    consumer.on(PatientDuplicateResolved)(answered)


def _subscribe_to_messages(consumer: Consumer, exams: Callable[[Tx], Exams], acts: Callable[[Tx], Acts]) -> None:
    async def about_message(fact: MessageRefused | MessageSettled, tx: Tx) -> None:
        if tx.cause is not None:
            await handlers.on_message(fact, tx.cause, exams(tx))
            await dismissing.note(fact, tx.cause, acts(tx))

    consumer.on(MessageRefused)(about_message)
    consumer.on(MessageSettled)(about_message)


def _subscribe_to_acts(consumer: Consumer, exams: Callable[[Tx], Exams], acts: Callable[[Tx], Acts]) -> None:
    async def about_work(fact: WorkGivenUp | WorkSettled, tx: Tx) -> None:
        if tx.cause is not None:
            await dismissing.on_work(fact, tx.cause, exams(tx), acts(tx))

    async def about_letter(fact: LetterReplayed | LetterDropped, tx: Tx) -> None:
        if tx.cause is not None:
            await dismissing.note(fact, tx.cause, acts(tx))

    async def about_entry(fact: ExceptionDismissed | ExceptionRestored, tx: Tx) -> None:
        if tx.cause is not None:
            await dismissing.on_entry(fact, tx.cause, acts(tx))

    consumer.on(WorkGivenUp)(about_work)
    consumer.on(WorkSettled)(about_work)
    consumer.on(LetterReplayed)(about_letter)
    consumer.on(LetterDropped)(about_letter)
    consumer.on(ExceptionDismissed)(about_entry)
    consumer.on(ExceptionRestored)(about_entry)


def _patients(consumer: Consumer, exams: Callable[[Tx], Exams]) -> None:
    async def patient(fact: PatientRegistered | PatientUpdated, tx: Tx) -> None:
        if tx.cause is not None:
            await handlers.on_patient(fact, tx.cause, exams(tx))

    consumer.on(PatientRegistered)(patient)
    consumer.on(PatientUpdated)(patient)

    async def joined(fact: Joined, tx: Tx) -> None:
        if tx.cause is not None:
            await handlers.on_patient_joined(fact, tx.cause, exams(tx))

    async def moved(fact: Moved, tx: Tx) -> None:
        if tx.cause is not None:
            await handlers.on_patient_moved(fact, tx.cause, exams(tx))

    follow_links(consumer, joined)
    follow(consumer, moved)
