"""What to tell the others when an exam has moved from one state to another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from fj_events import (
    AppointmentNews,
    Evidence,
    ExamCancelled,
    ExamCancelRefused,
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    ExamWaitlisted,
    Fact,
    ObjectRef,
    PerformedSeries,
    Refused,
)

from scheduling_service.domain.exam import Exam, Ordered, step_ids
from scheduling_service.domain.performed import WRONG_ENTRY, PerformedStatus, PerformedStep
from scheduling_service.domain.step import WAITING, StepState
from scheduling_service.domain.study import Study

Ended: TypeAlias = ExamCompleted | ExamDiscontinued

LONG: Final = 256 * 1024
"""Bytes of an event above which its lists of instances go to the object store: half of what law 7 allows."""

_BEFORE_START: Final = WAITING | {None, StepState.CANCELLED}
_BEGUN: Final = frozenset({StepState.STARTED, StepState.COMPLETED, StepState.DISCONTINUED})
_AT_WORK: Final = frozenset({StepState.STARTED, StepState.COMPLETED})


@dataclass(frozen=True, slots=True)
class Move:
    """An exam before (None: it is new) and after, with the studies that hold its images."""

    before: Exam | None
    after: Exam
    studies: Sequence[Study] = ()

    @property
    def was(self) -> StepState | None:
        """The state before."""
        return None if self.before is None else self.before.state

    @property
    def now(self) -> StepState:
        """The state after."""
        return self.after.state

    @property
    def starts(self) -> bool:
        """Whether the exam was begun, or taken up again after it had been completed or given up."""
        if self.was in _BEFORE_START:
            return self.now in _AT_WORK or self.now is StepState.DISCONTINUED
        if self.was is StepState.COMPLETED:
            return self.now is StepState.STARTED
        return self.was is StepState.DISCONTINUED and self.now in _AT_WORK

    @property
    def put_back(self) -> tuple[str, ...]:
        """The steps that wait again, picked by mistake, or begun by images that are another exam's."""
        if self.before is None:
            return ()
        begun = {step.step_id for step in self.before.steps if step.state in _BEGUN}
        waiting = (step.step_id for step in self.after.steps if step.state is StepState.SCHEDULED)
        return tuple(step_id for step_id in waiting if step_id in begun)


def facts(move: Move) -> Iterator[Fact]:
    """The facts of a move, each before what it causes. A move to where the exam was already has none."""
    ordered = move.after.ordered
    if ordered is not None:
        yield from _planning(move, ordered)
    if move.starts:
        yield _started(move)
        if ordered is not None and move.was is StepState.CANCELLED:
            yield refusal(move.after, ordered, Refused.CANCEL)
        elif ordered is not None and ordered.held:
            yield refusal(move.after, ordered, Refused.HOLD)
    if move.now is move.was:
        return
    if move.now is StepState.COMPLETED:
        yield ExamCompleted(**_ended(move))
    if move.now is StepState.DISCONTINUED:
        yield ExamDiscontinued(**_ended(move), reason=move.after.counted[-1].discontinuation_reason)


def refusal(exam: Exam, ordered: Ordered, refused: Refused) -> ExamCancelRefused:
    """The exam has started: it wins over a cancel or a change."""
    return ExamCancelRefused(
        exam_key=exam.key, site=exam.site, order_id=ordered.order_id, refused=refused, state=exam.state
    )


def rescheduled(before: Exam, after: Exam, ordered: Ordered) -> ExamRescheduled:
    """There is a new plan: an appointment was made, moved or given up."""
    return ExamRescheduled(**_planned(after, ordered), appointment=_appointment(before, after))


def waitlisted(before: Exam | None, after: Exam, ordered: Ordered) -> Iterator[ExamWaitlisted]:
    """Whether the exam waits for a slot that it did not wait for."""
    waiting = after.waits
    if waiting is not None and (before is None or before.waits != waiting):
        yield ExamWaitlisted(
            exam_key=after.key,
            site=after.site,
            order_id=ordered.order_id,
            step_ids=tuple(step.step_id for step in after.steps),
            priority=ordered.details.priority,
            **dict(waiting),
        )


def is_long(fact: Ended) -> bool:
    """Whether the fact lists more than an event should carry."""
    return len(fact.model_dump_json(exclude_none=True)) > LONG


def instance_lists(fact: Ended) -> dict[str, list[str]]:
    """Series UID to SOP Instance UIDs: what the object says that `instance_list` refers to."""
    return {each.series_instance_uid: list(each.instances) for each in fact.series}


def shortened(fact: Ended, lists: ObjectRef) -> Ended:
    """The fact with its lists of instances in the object store; where there are very many series, these too."""
    series = tuple(each.model_copy(update={"instances": ()}) for each in fact.series)
    short = fact.model_copy(update={"series": series, "instance_list": lists})
    return short.model_copy(update={"series": ()}) if is_long(short) else short


def _planning(move: Move, ordered: Ordered) -> Iterator[Fact]:
    if move.before is None:
        yield ExamScheduled(**_planned(move.after, ordered))
    elif move.put_back:
        yield _put_back(move, ordered)
    elif move.now in WAITING and _plan_of(move.before) != _plan_of(move.after):
        yield rescheduled(move.before, move.after, ordered)
    yield from waitlisted(move.before, move.after, ordered)
    if move.now is StepState.CANCELLED and move.was is not StepState.CANCELLED:
        yield ExamCancelled(
            exam_key=move.after.key,
            site=move.after.site,
            order_id=ordered.order_id,
            step_ids=tuple(step.step_id for step in move.after.steps),
            reason="the order was cancelled",
            appointment=_appointment(move.before, move.after),
        )


def _put_back(move: Move, ordered: Ordered) -> ExamPutBack:
    mistaken = next((each for each in reversed(move.after.performed) if each.is_wrong_entry), None)
    if mistaken is None:
        because = {"reason": "a person linked its images to another order"}
        return ExamPutBack(**_planned(move.after, ordered) | because, step_ids=move.put_back, state=move.now)
    return ExamPutBack(
        **_planned(move.after, ordered) | {"reason": "a modality had picked the wrong worklist entry"},
        step_ids=move.put_back,
        state=move.now,
        mpps_instance_uid=mistaken.sop_instance_uid,
        number_of_instances=mistaken.number_of_instances,
        discontinuation_reason=mistaken.discontinuation_reason or WRONG_ENTRY,
    )


def _appointment(before: Exam | None, after: Exam) -> AppointmentNews | None:
    was = _rooms(before) if before else []
    now = _rooms(after)
    if not was:
        return AppointmentNews.BOOKED if now else None
    if not now:
        return AppointmentNews.GIVEN_UP
    return AppointmentNews.KEPT if was == now else AppointmentNews.MOVED


def _rooms(exam: Exam) -> list[tuple[str, datetime, int]]:
    """Which times of which stations an exam has."""
    plans = (step.plan for step in exam.steps if step.keeps_its_slot)
    return [(plan.station_ae_title, plan.starts_at, plan.duration_minutes) for plan in plans]


def _plan_of(exam: Exam) -> dict[str, Any] | None:
    """What a plan says, without who or what chose it."""
    return None if exam.ordered is None else _planned(exam, exam.ordered) | {"reason": ""}


def _planned(exam: Exam, ordered: Ordered) -> dict[str, Any]:
    details = ordered.details
    return {
        "exam_key": exam.key,
        "site": exam.site,
        "order_id": ordered.order_id,
        "accession_number": details.accession_number,
        "study_instance_uid": exam.study_instance_uid,
        "requested_procedure_id": details.requested_procedure_id,
        "procedure": ordered.procedure,
        "priority": details.priority,
        "steps": tuple(step.plan for step in exam.steps),
        "reason": ordered.planned_because,
    }


def _started(move: Move) -> ExamStarted:
    exam, step = move.after, _latest(move.after.counted)
    unknown = exam.ordered is None
    return ExamStarted(
        **_performed(move, step),
        started_at=step.started_at if step else None,
        patient_id=step.patient_id if unknown and step else None,
        patient=step.patient if unknown and step else None,
    )


def _ended(move: Move) -> dict[str, Any]:
    finished = [each for each in move.after.counted if each.status is PerformedStatus.COMPLETED]
    step = _latest(finished or move.after.counted)
    series = _series(move)
    return _performed(move, step) | {
        "ended_at": step.ended_at if step else None,
        "series": series,
        "number_of_instances": sum(each.number_of_instances for each in series),
    }


def _performed(move: Move, step: PerformedStep | None) -> dict[str, Any]:
    exam = move.after
    planned = exam.steps[0].plan if exam.steps and not move.studies else None
    image = next(iter(move.studies), None)
    return {
        "exam_key": exam.key,
        "site": exam.site,
        # Not of an order that an unscheduled exam was linked to: that order's own exam tells what is to be told of it.
        "order_id": exam.ordered.order_id if exam.ordered else None,
        "study_instance_uid": exam.study_instance_uid,
        "accession_number": exam.ordered.details.accession_number if exam.ordered else None,
        "mpps_instance_uid": step.sop_instance_uid if step else None,
        "step_ids": step_ids(exam, step) if step else tuple(each.step_id for each in exam.steps),
        "station_ae_title": next((each.station_ae_title for each in (step, image, planned) if each), None),
        "modality": next((each.modality for each in (step, image, planned) if each), None),
        "evidence": _evidence(step, image),
    }


def _evidence(step: PerformedStep | None, image: Study | None) -> Evidence:
    if step is not None:
        return Evidence.MPPS
    return Evidence.PERSON if image is None else Evidence.IMAGES


def _series(move: Move) -> tuple[PerformedSeries, ...]:
    """Of all performed steps, also of those that were given up: their images are in the study too."""
    if move.after.counted:
        return tuple(series for each in move.after.counted for series in each.series)
    return tuple(
        PerformedSeries(
            series_instance_uid=series.series_instance_uid,
            modality=series.modality,
            description=series.description,
            number_of_instances=series.number_of_instances,
        )
        for study in move.studies
        for series in study.series
    )


def _latest(steps: Sequence[PerformedStep]) -> PerformedStep | None:
    return steps[-1] if steps else None
