"""Entries of the exceptions list that a person has looked at; and what persons did about what rooms gave up."""

from collections.abc import Callable
from uuid import UUID

from fj_events import (
    Envelope,
    ExceptionDismissed,
    ExceptionRestored,
    Fact,
    WorkGivenUp,
    WorkSettled,
)

from portal_service.domain.exceptions import DISMISSABLE, Act, Dismissal, Raised
from portal_service.domain.summary import summary
from portal_service.handlers import look_for_exceptions
from portal_service.ports import Acts, Exams


class NotDismissable(Exception):
    """Its owner takes what a person says, or it ends by itself; or it is (not) dismissed already."""


def dismiss(raised: Raised, about: tuple[str, ...], reason: str, emit: Callable[[Fact], UUID]) -> None:
    """Nothing is to be done about an entry. Raises NotDismissable."""
    if raised.kind not in DISMISSABLE:
        raise NotDismissable(f"a {raised.kind} is not dismissed here")
    if raised.dismissal is not None:
        raise NotDismissable(f"{raised.dismissal.actor} has dismissed it")
    said = {"exception_id": raised.event_id, "kind": raised.kind, "about": about, "reason": reason}
    emit(ExceptionDismissed(site=raised.site, **said))


def restore(raised: Raised, reason: str, emit: Callable[[Fact], UUID]) -> None:
    """Put a dismissed entry back on the list. Raises NotDismissable."""
    if raised.dismissal is None:
        raise NotDismissable("nobody has dismissed it")
    said = {"exception_id": raised.dismissal.exception_id, "kind": raised.kind, "about": (raised.key,)}
    emit(ExceptionRestored(site=raised.site, **said, reason=reason))


async def on_entry(fact: ExceptionDismissed | ExceptionRestored, envelope: Envelope, acts: Acts) -> None:
    """A person dismissed an entry, or put it back; the entry itself may not have come yet."""
    if isinstance(fact, ExceptionRestored):
        await acts.restore(fact.exception_id)
    else:
        dismissal = Dismissal(
            exception_id=fact.exception_id, actor=fact.actor or "", reason=fact.reason, at=envelope.time
        )
        await acts.dismiss(dismissal, fact.kind, fact.about)
    await note(fact, envelope, acts)


async def on_work(fact: WorkGivenUp | WorkSettled, envelope: Envelope, exams: Exams, acts: Acts) -> None:
    """A room has given something up, or a person has said what is to become of it."""
    await look_for_exceptions(fact, envelope, exams)
    await note(fact, envelope, acts)


async def note(
    fact: Fact,
    envelope: Envelope,
    acts: Acts,
) -> None:
    """Keep what a person did, where a person did it."""
    if fact.actor is not None:
        words = summary(fact)
        await acts.enter(Act(event_id=envelope.id, at=envelope.time, site=fact.site, actor=fact.actor, summary=words))
