"""How a study goes: a rule or a person says so, it is hidden, and after its grace it is removed, if nobody minds."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from fj_events import InstancesForgotten, RecallCause, StudyHeld, StudyHoldLifted, StudyRemovalDelayed, StudyRetired

from storage_service.domain.retention import Due, Lifecycle
from storage_service.domain.retirement import (
    Hold,
    KeepingRefused,
    NotHere,
    Retirement,
    Tombstone,
    delayed,
    recalled,
    tombstone,
)
from storage_service.domain.thinning import Sentence
from storage_service.ports.keeping import Keepings

PERSONS_GRACE: Final = timedelta(days=30)
"""Between the word of a person and the removal."""
PATIENCE: Final = timedelta(days=1)
"""So long after its time a removal may wait before a person hears of it."""


@dataclass(frozen=True, slots=True)
class Word:
    """Who says it, why, and when."""

    actor: str
    reason: str
    at: datetime


async def hold(uid: str, word: Word, keepings: Keepings, *, whole_patient: bool) -> Hold:
    """A study, or all of its patient's, must not be removed; those that are retired are recalled. Twice is once.

    Raises KeepingRefused.
    """
    await keepings.lock([uid])
    patient = await keepings.patient(uid) if whole_patient else None
    if whole_patient and patient is None:
        raise KeepingRefused("The study does not say whose it is")
    made = Hold(uuid4(), uid, patient, word.reason, word.actor, word.at)
    if said := next((hold for hold in await keepings.holds(uid) if hold.is_said_by(made)), None):
        return said
    await keepings.put_hold(made)
    for one, site in await keepings.lock_held_by(made):
        told = StudyHeld(
            site=site,
            study_instance_uid=one,
            hold_id=made.hold_id,
            patient_id=patient,
            reason=word.reason,
        )
        keepings.emit(told)
        if retirement := await keepings.retirement(one):
            await _recalled(retirement, RecallCause.HOLD, word.reason, keepings, word.at)
    return made


async def lift(uid: str, hold_id: UUID, word: Word, keepings: Keepings) -> Hold:
    """A hold does not stand any more; one that was lifted before stays as it was. Raises NotHere."""
    await keepings.lock([uid])
    held = await keepings.hold(hold_id)
    if held is None or held.study_instance_uid != uid:
        raise NotHere("There is no such hold of this study")
    if held.lifted_at is not None:
        return held
    lifted = replace(held, lifted_at=word.at, lifted_by=word.actor, lifted_because=word.reason)
    studies = await keepings.lock_held_by(held)
    await keepings.put_hold(lifted)
    for one, site in studies:
        told = StudyHoldLifted(
            site=site,
            study_instance_uid=one,
            hold_id=hold_id,
            reason=word.reason,
            still_held=bool(await keepings.holds(one)),
        )
        keepings.emit(told)
    return lifted


async def retire(uid: str, site: str, word: Word, keepings: Keepings) -> Retirement:
    """A person says that a study is to go; said twice changes nothing. Raises KeepingRefused."""
    await keepings.lock([uid])
    before = await keepings.retirement(uid)
    if before is not None and not before.partial:
        return before
    if await keepings.holds(uid):
        raise KeepingRefused("The study is on hold")
    if before is not None:
        await _recalled(before, RecallCause.PERSON, "all of it goes", keepings, word.at)
    made = Retirement(uuid4(), uid, site, None, word.reason, word.actor, word.at, word.at + PERSONS_GRACE)
    await _retired(made, keepings)
    return made


async def recall(uid: str, word: Word, keepings: Keepings) -> None:
    """A person says that a retired study stays. Raises KeepingRefused."""
    await keepings.lock([uid])
    retirement = await keepings.retirement(uid)
    if retirement is None:
        raise KeepingRefused("The study is not retired")
    await _recalled(retirement, RecallCause.PERSON, word.reason, keepings, word.at)


async def verdict(
    uid: str, rules: Lifecycle, keepings: Keepings, now: datetime, by: datetime | None = None
) -> Due | None:
    """By which rule a study is due; None where none says so or it is on hold. `by`: as rejected until then."""
    study = await keepings.retained(uid)
    if study is None:
        return None
    due = rules.expired(study, now.date())
    if due is None and rules.rejected and (rejected := await keepings.rejected(uid)):
        due = rules.rejected_long_ago(study, *rejected, now.date())
    for rule in rules.rejected if due is None else ():
        if rule.when.holds(study) and await keepings.removable(uid, Sentence(rule, by or now, now.date())):
            due = Due(uid, study.site, rule.name, rule.reason, now.date(), rule.grace, partial=True)
            break
    return None if due is None or await keepings.holds(uid) else due


async def retire_due(uid: str, rules: Lifecycle, keepings: Keepings, now: datetime) -> Due | None:
    """Hide a study that a rule no longer keeps; None where that is not so (any more)."""
    await keepings.lock([uid])
    if await keepings.retirement(uid) is not None:
        return None
    due = await verdict(uid, rules, keepings, now)
    if due is not None:
        made = Retirement(uuid4(), uid, due.site, due.rule, due.reason, None, now, now + due.grace, due.partial)
        await _retired(made, keepings)
    return due


async def review(uid: str, rules: Lifecycle, keepings: Keepings, now: datetime) -> Retirement | None:
    """A retired study, if it is still to go; it is recalled where it is on hold, or its rule was changed."""
    await keepings.lock([uid])
    retirement = await keepings.retirement(uid)
    if retirement is None:
        return None
    cause = None
    if await keepings.holds(uid):
        cause, reason = RecallCause.HOLD, "it is on hold"
    elif retirement.rule is not None:
        due = await verdict(uid, rules, keepings, now, retirement.retired_at)
        if due is None or due.partial != retirement.partial:  # of what is kept in part nothing more goes than that
            cause, reason = RecallCause.RULE, f"no rule says so any more, {retirement.rule} did"
    if cause is None:
        return retirement
    await _recalled(retirement, cause, reason, keepings, now)
    return None


async def remove_due(
    uid: str, rules: Lifecycle, keepings: Keepings, now: datetime, delay: timedelta
) -> Tombstone | None:
    """Remove a study whose grace is over; its objects go after `delay`, when nobody reads in them any more."""
    retirement = await review(uid, rules, keepings, now)
    if retirement is None or retirement.partial or not retirement.is_due(now):
        return None
    gone = tombstone(retirement, await keepings.content(uid), now)
    await keepings.remove(gone, now + delay)
    keepings.emit(gone.fact)
    return gone


async def on_forgotten(fact: InstancesForgotten, keepings: Keepings, now: datetime) -> None:
    """`ingest` takes what comes of a study for new: it may be removed, unless something of it came before that."""
    await keepings.lock([fact.study_instance_uid])
    retirement = await keepings.retirement(fact.study_instance_uid)
    if retirement is None:
        return
    if fact.received_again_at is not None and fact.received_again_at > retirement.retired_at:
        await _recalled(retirement, RecallCause.IMAGES, "images of it came again", keepings, now)
    elif fact.retirement_id == retirement.retirement_id:
        await keepings.forgotten(retirement, now)


async def report_delay(uid: str, rules: Lifecycle, keepings: Keepings, now: datetime) -> StudyRemovalDelayed | None:
    """Say once that a study should be gone and cannot be removed yet."""
    retirement = await review(uid, rules, keepings, now)
    if retirement is None or retirement.forgotten_at is not None or retirement.removal_at > now - PATIENCE:
        return None
    told = delayed(retirement)
    await keepings.report(told, now)
    return told


async def _retired(made: Retirement, keepings: Keepings) -> None:
    shown = await keepings.retire(made)
    told = StudyRetired(
        site=made.site,
        study_instance_uid=made.study_instance_uid,
        retirement_id=made.retirement_id,
        rule=made.rule,
        reason=made.reason,
        removal_at=made.removal_at,
        number_of_instances=shown.before - shown.after,
        number_left=shown.after,
    )
    keepings.emit(told)


async def _recalled(retirement: Retirement, cause: RecallCause, reason: str, keepings: Keepings, now: datetime) -> None:
    shown = await keepings.recall(retirement, cause, now)
    keepings.emit(recalled(retirement, cause, reason, shown))
