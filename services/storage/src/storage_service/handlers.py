"""When this happens, do that: one function per fact, and the clock."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from fj_events import (
    Evidence,
    ExamCompleted,
    ExamDiscontinued,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    InstancesStored,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderPlaced,
    OrderReinstated,
    PatientRegistered,
    PatientUpdated,
    SeriesSummary,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyUnmatched,
    StudyUpdated,
    patient_key,
)

from storage_service.domain.assembly import Complete, Patience, StepState, Waiting, assess
from storage_service.domain.matching import NoMatch, match
from storage_service.domain.study import Arrival, PerformedEnd, Study
from storage_service.ports import InstanceLists, Studies

SERIES_IN_A_FACT: Final = 1000
"""More series than this would not fit into an event (law 7); their number stands beside them."""


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


async def on_instances_stored(fact: InstancesStored, work: Work) -> Arrival:
    """Images came: index them, see where they belong and whether their study is complete now."""
    arrival = await work.studies.add_instances(fact, work.now)
    if arrival.first:
        work.studies.emit(_received(fact))
    if arrival.added:
        await _settle((fact.study_instance_uid,), work)
    if arrival.added and arrival.late:
        await _tell_late_images(fact, arrival, work.studies)
    return arrival


async def on_order_known(fact: OrderPlaced | OrderChanged, placed_at: datetime, day: date, work: Work) -> None:
    """An order is known or has changed: studies that waited for it are matched."""
    await work.studies.put_order(fact, placed_at, day)
    await _settle(await work.studies.waiting_for_order(fact.order_id), work)


async def on_order_ended(fact: OrderCancelled | OrderCompleted, studies: Studies) -> None:
    """An order that is cancelled or completed no longer waits for images; its own UID or accession still match."""
    await studies.set_order_open(fact.order_id, open_=False)


async def on_order_reinstated(fact: OrderReinstated, work: Work) -> None:
    """The exam won over a cancel: the order stands, and waits for images again."""
    await work.studies.set_order_open(fact.order_id, open_=True)
    await _settle(await work.studies.waiting_for_order(fact.order_id), work)


async def on_exam_planned(fact: ExamScheduled | ExamRescheduled, work: Work) -> None:
    """The plan says the modality, where the order did not."""
    await work.studies.plan_exam(fact)
    await _settle(await work.studies.waiting_for_order(fact.order_id), work)


async def on_exam_started(fact: ExamStarted, work: Work) -> None:
    """A modality works on it: silence is no evidence until it ends. A start that rests on images says nothing new."""
    if fact.evidence == Evidence.MPPS:
        await _settle(await work.studies.start_exam(fact, work.now), work)


async def on_exam_ended(fact: ExamCompleted | ExamDiscontinued, at: datetime, lists: InstanceLists, work: Work) -> None:
    """A modality finished or gave up, and says which images it made. An end that rests on images says nothing new."""
    if fact.evidence != Evidence.MPPS:
        return
    listed = await lists.read(fact.instance_list) if fact.instance_list else _listed(fact)
    end = PerformedEnd(
        exam_key=fact.exam_key,
        order_id=fact.order_id,
        study_instance_uid=fact.study_instance_uid,
        state=StepState.COMPLETED if isinstance(fact, ExamCompleted) else StepState.DISCONTINUED,
        ended_at=at,
        listed=listed,
    )
    await _settle(await work.studies.end_exam(end, work.now), work)


async def on_patient(fact: PatientRegistered | PatientUpdated, namespace: UUID, work: Work) -> None:
    """A patient has further numbers: images that carry one of them belong to the same person."""
    numbers = (fact.patient.id, *fact.patient.other_ids)
    ids = {patient_key(namespace, number.issuer, number.value) for number in numbers if number}
    await work.studies.put_patient(fact, sorted(ids - {fact.patient_id}))
    await _settle(await work.studies.waiting_for_patient(fact.patient_id), work)


async def close_next_due(work: Work) -> bool:
    """Look at one study whose time has come, in the silence. False when there is none."""
    uid = await work.studies.next_due(work.now)
    if uid is not None:
        await _settle((uid,), work)
    return uid is not None


async def _settle(uids: Iterable[str], work: Work) -> None:
    """See where studies belong and whether they are complete, with all that is known now."""
    for uid in sorted(uids):
        study = await work.studies.get(uid)
        if study is not None:
            await work.studies.save(await _settled(study, work))


async def _settled(study: Study, work: Work) -> Study:
    study = await _linked(study, work)
    heard_at = study.progress.heard_at
    at = work.now if work.silence else heard_at
    verdict = assess(study.progress, work.rules.patience, at)
    if study.available_at is None and isinstance(verdict, Waiting):
        return replace(study, due_at=verdict.until)
    # An MPPS can be quicker than the order that is on its way here in another topic: only silence ends the search.
    quiet_at = heard_at + work.rules.patience.quiet_time
    quiet = at >= quiet_at
    if quiet:
        study = await _linked(study, work, complete=True)
    if study.available_at is None and isinstance(verdict, Complete):
        study = study.closed_by(verdict, work.now)
        work.studies.emit(await _available(study, verdict, work.studies))
    return replace(study, due_at=None if quiet or study.order_id else quiet_at)


async def _linked(study: Study, work: Work, *, complete: bool = False) -> Study:
    if study.order_id is not None:
        return study
    candidates = await work.studies.candidates(study.keys)
    found = match(study.keys, candidates, complete=complete, window=work.rules.window)
    if isinstance(found, NoMatch):
        if not complete:
            return study
        if study.unmatched_reason is None:
            work.studies.emit(_unmatched(study, found.reason))
        return replace(study, unmatched_reason=found.reason)
    study = study.linked_to(found)
    work.studies.emit(
        StudyMatched(
            site=study.site,
            study_instance_uid=study.study_instance_uid,
            order_id=found.order.order_id,
            patient_id=found.order.patient_id,
            accession_number=found.order.accession_number,
            matched_by=found.matched_by,
            reason=found.reason,
            ordered_study_instance_uid=found.order.study_instance_uid,
        )
    )
    # The order's own performed steps may say more about it than its UID did.
    return replace(study, progress=await work.studies.progress(study))


async def _tell_late_images(fact: InstancesStored, arrival: Arrival, studies: Studies) -> None:
    study = await studies.get(fact.study_instance_uid)
    if study is None:
        return
    series = await studies.series(study.study_instance_uid)
    reason = f"{arrival.added} came after the study was available"
    studies.emit(StudyUpdated(added_instances=arrival.added, reason=reason, **_counted(study, series)))


async def _available(study: Study, verdict: Complete, studies: Studies) -> StudyAvailable:
    return StudyAvailable(
        completeness=verdict.completeness,
        reason=verdict.reason,
        expected_instances=verdict.expected_instances,
        last_evidence_at=verdict.last_evidence_at,
        **_counted(study, await studies.series(study.study_instance_uid)),
    )


def _received(fact: InstancesStored) -> StudyReceived:
    return StudyReceived(
        site=fact.site,
        study_instance_uid=fact.study_instance_uid,
        patient_id=fact.patient_id,
        accession_number=fact.accession_number,
        modalities=(fact.series.modality,) if fact.series.modality else (),
        study_date=fact.study.study_date,
        description=fact.study.description,
        patient=fact.patient,
        station_ae_title=fact.calling_ae_title,
        received_at=fact.received_at,
    )


def _unmatched(study: Study, reason: str) -> StudyUnmatched:
    return StudyUnmatched(
        site=study.site,
        study_instance_uid=study.study_instance_uid,
        patient_id=study.patient_id,
        accession_number=study.accession_number,
        reason=reason,
    )


def _counted(study: Study, series: list[SeriesSummary]) -> dict[str, Any]:
    return {
        "site": study.site,
        "study_instance_uid": study.study_instance_uid,
        "order_id": study.order_id,
        "patient_id": study.order_patient_id or study.patient_id,
        "accession_number": study.accession_number,
        "modalities": study.modalities,
        "study_date": study.study_date,
        "description": study.description,
        "patient": study.patient,
        "series": tuple(series[:SERIES_IN_A_FACT]),
        "number_of_series": study.number_of_series,
        "number_of_instances": study.number_of_instances,
    }


def _listed(fact: ExamCompleted | ExamDiscontinued) -> tuple[str, ...]:
    return tuple(uid for series in fact.series for uid in series.instances)
