"""When this happens, do that: one function per fact, and the clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from fj_events import (
    Evidence,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    InstancesStored,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderPlaced,
    OrderReinstated,
    PatientMerged,
    PatientRegistered,
    PatientUnmerged,
    PatientUpdated,
    RecallCause,
    StudyUpdated,
    patient_key,
)

from storage_service.domain import facts
from storage_service.domain.assembly import Complete, Patience, Waiting, assess
from storage_service.domain.exceptional import ExceptionKind, conflicts_of, of_conflict, of_unmatched
from storage_service.domain.linking import UNLINKED
from storage_service.domain.matching import Match, NoMatch, confirmed_patient, match
from storage_service.domain.rejection import notes_of
from storage_service.domain.retirement import recalled
from storage_service.domain.study import Arrival, PerformedEnd, Study
from storage_service.ports.studies import Studies


@dataclass(frozen=True, slots=True)
class Rules:
    """How long to wait, and how near an order must be for its patient alone to decide."""

    patience: Patience
    window: timedelta


@dataclass(frozen=True, slots=True)
class Work:
    """What one handling works with: the studies inside its transaction, the rules, and the time."""

    studies: Studies
    rules: Rules
    now: datetime
    silence: bool = False
    """All that was said until `now` has been heard, so that what is quiet may be closed; a fact alone cannot tell."""


async def on_instances_stored(stored: Sequence[InstancesStored], work: Work) -> Mapping[str, Arrival]:
    """Images came: index them, see where they belong and whether their studies are complete now."""
    stored = await work.studies.still_kept(stored)
    arrivals = await work.studies.add_instances(stored, work.now) if stored else {}
    for uid, fact in {fact.study_instance_uid: fact for fact in reversed(stored)}.items():
        if arrivals[uid].first:
            work.studies.emit(facts.received(fact))
    await settle([uid for uid, arrival in arrivals.items() if arrival.added], work)
    for uid in (uid for uid, arrival in arrivals.items() if arrival.returned):
        if found := await work.studies.recall(uid, work.now):
            retirement, shown = found
            work.studies.emit(recalled(retirement, RecallCause.IMAGES, "images of it came", shown))
    if notes := notes_of(stored):
        await work.studies.expect_notes(notes)
    for conflicted in conflicts_of(stored, arrivals):
        await work.studies.report(conflicted, of_conflict(conflicted))
    late = {uid: arrival.added for uid, arrival in arrivals.items() if arrival.late and arrival.added}
    if late:
        await _tell_late_images(late, work.studies)
        await work.studies.mark_for_routing(late)
    return arrivals


async def on_order_known(fact: OrderPlaced | OrderChanged, placed_at: datetime, day: date, work: Work) -> None:
    """An order is known or has changed: studies that waited for it are matched."""
    await work.studies.put_order(fact, placed_at, day)
    await settle(await work.studies.waiting_for_order(fact.order_id), work)


async def on_order_ended(fact: OrderCancelled | OrderCompleted, work: Work) -> None:
    """An order that is cancelled or completed no longer waits for images; its own UID or accession still match.

    Images that carry the number of another order too may be that one's now.
    """
    await work.studies.set_order_open(fact.order_id, open_=False)
    await settle(await work.studies.waiting_for_order(fact.order_id), work)


async def on_order_reinstated(fact: OrderReinstated, work: Work) -> None:
    """The exam won over a cancel: the order stands, and waits for images again."""
    await work.studies.set_order_open(fact.order_id, open_=True)
    await settle(await work.studies.waiting_for_order(fact.order_id), work)


async def on_exam_planned(fact: ExamScheduled | ExamRescheduled, work: Work) -> None:
    """The plan says the modality, where the order did not."""
    await work.studies.plan_exam(fact)
    await settle(await work.studies.waiting_for_order(fact.order_id), work)


async def on_exam_started(fact: ExamStarted, work: Work) -> None:
    """A modality works on it: silence is no evidence until it ends. A start that rests on images says nothing new."""
    if fact.evidence == Evidence.MPPS:
        await settle(await work.studies.start_exam(fact, work.now), work)


async def on_exam_ended(end: PerformedEnd, work: Work) -> None:
    """A modality finished or gave up, and says which images it made."""
    await settle(await work.studies.end_exam(end, work.now), work)


async def on_patient(fact: PatientRegistered | PatientUpdated, namespace: UUID, work: Work) -> None:
    """A patient has further numbers: images that carry one of them belong to the same person."""
    numbers = (fact.patient.id, *fact.patient.other_ids)
    ids = {patient_key(namespace, number.issuer, number.value) for number in numbers if number}
    await work.studies.put_patient(fact, sorted(ids - {fact.patient_id}))
    await settle(await work.studies.waiting_for_patient(fact.patient_id), work)


async def on_patient_moved(fact: PatientMerged | PatientUnmerged, work: Work) -> None:
    """A number is somebody else's now: its studies are found as theirs, and orders of both may fit them."""
    await work.studies.patient_moved(fact)
    waiting = {uid for each in fact.holders for uid in await work.studies.waiting_for_patient(each)}
    await settle(sorted(waiting), work)


async def close_due(work: Work, most: int) -> int:
    """Look at studies whose time has come, in the silence; how many there were, at most `most`."""
    uids = await work.studies.due(work.now, most)
    await settle(uids, work)
    return len(uids)


async def settle(uids: Collection[str], work: Work) -> None:
    """See where studies belong and whether they are complete, with all that is known now."""
    if not uids:
        return
    studies = await _linked(await work.studies.get(uids), work)
    verdicts = {study.study_instance_uid: _verdict(study, work) for study in studies}
    # An MPPS can be quicker than the order that is on its way here in another topic: only silence ends the search.
    lonely = [s for s in studies if _is_quiet(s, work) and _is_complete(s, verdicts)]
    taken = {study.order_id for study in studies if study.order_id is not None}
    linked = {s.study_instance_uid: s for s in await _linked(lonely, work, complete=True, taken=taken)}
    studies = [linked.get(study.study_instance_uid, study) for study in studies]
    await work.studies.save(await _closed(studies, verdicts, work))


async def _closed(studies: Sequence[Study], verdicts: Mapping[str, Complete | Waiting], work: Work) -> list[Study]:
    closing = {s.study_instance_uid for s in studies if s.available_at is None and _is_complete(s, verdicts)}
    series = await work.studies.series(closing) if closing else {}
    await work.studies.mark_for_routing(closing)

    def closed(study: Study) -> Study:
        verdict = verdicts[study.study_instance_uid]
        if study.available_at is None and isinstance(verdict, Complete):
            work.studies.emit(facts.available(study, verdict, series[study.study_instance_uid]))
            study = study.closed_by(verdict, work.now)
        return replace(study, due_at=_due(study, verdict, work))

    return [closed(study) for study in studies]


def _due(study: Study, verdict: Complete | Waiting, work: Work) -> datetime | None:
    if study.available_at is None and isinstance(verdict, Waiting):
        return verdict.until
    searching = study.may_be_matched and not _is_quiet(study, work)
    return study.progress.heard_at + work.rules.patience.quiet_time if searching else None


def _verdict(study: Study, work: Work) -> Complete | Waiting:
    return assess(study.progress, work.rules.patience, _moment(study, work))


def _is_complete(study: Study, verdicts: Mapping[str, Complete | Waiting]) -> bool:
    return study.available_at is not None or isinstance(verdicts[study.study_instance_uid], Complete)


def _is_quiet(study: Study, work: Work) -> bool:
    return _moment(study, work) >= study.progress.heard_at + work.rules.patience.quiet_time


def _moment(study: Study, work: Work) -> datetime:
    return work.now if work.silence else study.progress.heard_at


async def _linked(
    studies: Sequence[Study], work: Work, *, complete: bool = False, taken: Collection[UUID] = ()
) -> list[Study]:
    """The studies, those that an order fits matched to it. `complete`: the patient may decide, and the search ends.

    `taken`: orders that have a study since a moment ago, which is not written down yet.
    """
    lost = [study.keys for study in studies if study.may_be_matched]
    candidates = await work.studies.candidates(lost) if lost else {}
    matched: dict[str, Study] = {}
    alone: list[tuple[Study, NoMatch]] = []
    taken = set(taken)
    for study in studies:
        uid = study.study_instance_uid
        if not study.may_be_matched:
            if study.order_id is None:
                alone.append((study, NoMatch(UNLINKED)))
            continue
        orders = [replace(o, open=o.open and o.order_id not in taken) for o in candidates.get(uid, [])]
        found = match(study.keys, orders, complete=complete, window=work.rules.window)
        if isinstance(found, Match):
            taken.add(found.order.order_id)
            matched[uid] = study.linked_to(found)
            work.studies.emit(facts.matched(study, found))
            await _settled(study, work.studies)
        else:
            alone.append((study.waiting_for_order(found), found))
    others = await _alone(alone, work.studies, complete=complete) if alone else {}
    if matched:  # the order's own performed steps may say more about a study than its UID did
        matched = {s.study_instance_uid: s for s in await work.studies.with_progress(list(matched.values()))}
    searched = {study.study_instance_uid: study for study, _ in alone}
    return [{**searched, **others, **matched}.get(study.study_instance_uid, study) for study in studies]


async def _alone(found: Sequence[tuple[Study, NoMatch]], studies: Studies, *, complete: bool) -> dict[str, Study]:
    """Of studies without an order those of which there is news: they show somebody else, or the search ends."""
    registered = await studies.registered([study.study_instance_uid for study, _ in found])
    others: dict[str, Study] = {}
    for study, unfit in found:
        uid = study.study_instance_uid
        without = confirmed_patient(unfit, study.keys, registered.get(uid, ()))
        if without.contradicted_by or (complete if study.may_be_matched else study.contradicted_by):
            others[uid] = await _unfit(study, without, studies)
    return others


async def _unfit(study: Study, found: NoMatch, studies: Studies) -> Study:
    """No order fits. That it shows somebody else than the order of its number is told at once, anew if that changes."""
    after = study.without_order(found)
    doubts = (study.unconfirmed_order_id, study.contradicted_by) != (after.unconfirmed_order_id, after.contradicted_by)
    if study.unmatched_reason is None or doubts:
        await _settled(study, studies)
        unmatched = facts.unmatched(after)
        await studies.report(unmatched, of_unmatched(unmatched))
    return after


async def _settled(study: Study, studies: Studies) -> None:
    """What the list says of the place of a study holds no more."""
    if study.unmatched_reason is not None:
        for kind in (ExceptionKind.UNMATCHED_STUDY, ExceptionKind.UNCONFIRMED_STUDY):
            await studies.resolve(study.study_instance_uid, kind)


async def _tell_late_images(late: Mapping[str, int], studies: Studies) -> None:
    series = await studies.series(late.keys())
    for study in await studies.get(late.keys()):
        added = late[study.study_instance_uid]
        reason = f"{added} came after the study was available"
        fields = facts.counted(study, series[study.study_instance_uid])
        studies.emit(StudyUpdated(added_instances=added, reason=reason, **fields))
