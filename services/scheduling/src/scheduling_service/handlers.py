"""When this happens, do that: one function per fact or command."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from fj_events import (
    ExamCompleted,
    ExamDiscontinued,
    OrderCancelled,
    OrderChanged,
    OrderDetails,
    OrderHeld,
    OrderPlaced,
    OrderReleased,
    PatientMerged,
    PatientRegistered,
    PatientUnmerged,
    PatientUpdated,
    PatientVisitUpdated,
    Refused,
    StudyRelinked,
    Uid,
)

from scheduling_service.domain import performed as mpps
from scheduling_service.domain.catalogue import Catalogue
from scheduling_service.domain.errors import DuplicateInstance, NoSuchExam, UnknownInstance
from scheduling_service.domain.exam import (
    Exam,
    cancel,
    finish,
    hold,
    meant,
    put_back,
    settle,
    with_details,
    with_performed,
    without_images,
)
from scheduling_service.domain.facts import Move, facts, instance_lists, is_long, refusal, shortened
from scheduling_service.domain.performed import Change, PerformedStep
from scheduling_service.domain.planning import Circumstances, choice, plan, replan
from scheduling_service.domain.step import StepState
from scheduling_service.domain.study import Study, relinked
from scheduling_service.ports import InstanceLists, Schedule, Surroundings

_OVERRULED = frozenset({StepState.STARTED, StepState.COMPLETED, StepState.DISCONTINUED})


@dataclass(frozen=True, slots=True)
class Planner:
    """What planning needs besides orders."""

    catalogue: Catalogue
    clock: Callable[[], datetime]


async def on_order_placed(
    order: OrderPlaced | OrderChanged, schedule: Schedule, planner: Planner, lists: InstanceLists
) -> None:
    """Plan the steps of a new order and put them on the worklist (IHE RAD-4).

    What was performed for it already, or is here as images, starts or ends its exam at once.
    """
    details = _details(order)
    await schedule.lock(*_names(order.order_id, details))
    if await schedule.exam(str(order.order_id)) is not None:
        return
    exam = plan(order.order_id, order.site, details, await _circumstances(order, schedule, planner))
    await settle_exam(None, exam, schedule, lists)


async def on_order_changed(order: OrderChanged, schedule: Schedule, planner: Planner, lists: InstanceLists) -> None:
    """Plan again before the start; after it the exam wins, and the change is refused."""
    details = _details(order)
    await schedule.lock(*_names(order.order_id, details))
    exam = await schedule.exam(str(order.order_id))
    if exam is None or exam.ordered is None:
        await on_order_placed(order, schedule, planner, lists)
    elif exam.is_waiting:
        again = replan(exam, exam.ordered, details, await _circumstances(order, schedule, planner))
        await settle_exam(exam, again, schedule, lists)
    elif not _differ(exam.ordered.details, details.model_copy(update=_given(exam.ordered.details, details))):
        await settle_exam(exam, with_details(exam, details), schedule, lists)
    elif exam.state in _OVERRULED:
        schedule.emit(refusal(exam, exam.ordered, Refused.CHANGE))


async def on_order_cancelled(order: OrderCancelled, schedule: Schedule, lists: InstanceLists) -> None:
    """Take the steps off the worklist before the start; after it the exam wins, and the cancel is refused."""
    await schedule.lock(str(order.order_id))
    exam = await schedule.exam(str(order.order_id))
    if exam is None or exam.ordered is None:
        return
    if exam.state in _OVERRULED:
        schedule.emit(refusal(exam, exam.ordered, Refused.CANCEL))
    else:
        await settle_exam(exam, cancel(exam), schedule, lists)


async def on_order_paused(order: OrderHeld | OrderReleased, schedule: Schedule, lists: InstanceLists) -> None:
    """Take the steps of a held order off the worklist until it is released; after the start the exam wins."""
    await schedule.lock(str(order.order_id))
    exam = await schedule.exam(str(order.order_id))
    if exam is None or exam.ordered is None:
        return
    held = isinstance(order, OrderHeld)
    if held and exam.state in _OVERRULED:
        schedule.emit(refusal(exam, exam.ordered, Refused.HOLD))
    else:
        await settle_exam(exam, hold(exam, held=held), schedule, lists)


async def on_study_known(
    study_instance_uid: Uid, fold: Callable[[Study], Study], schedule: Schedule, lists: InstanceLists
) -> None:
    """Learn something about a study; where no modality reports by MPPS its images start and end the exam."""
    await schedule.lock(study_instance_uid)
    study = fold(await schedule.study(study_instance_uid))
    await schedule.save_study(study)
    if study.order_id is None:
        return
    await schedule.lock(str(study.order_id))
    exam = await schedule.exam(str(study.order_id))
    if exam is not None:
        await settle_exam(exam, exam, schedule, lists)


async def on_study_relinked(fact: StudyRelinked, schedule: Schedule, lists: InstanceLists) -> None:
    """A study is not an exam's: that waits again, whatever a modality said when the study was made."""
    uid = fact.study_instance_uid
    await on_study_known(uid, partial(relinked, fact=fact), schedule, lists)
    for exam in await _without(fact, schedule):
        bereft = replace(exam, lost=(await schedule.surroundings(exam)).lost)
        await settle_exam(exam, without_images(bereft), schedule, lists)


async def _without(fact: StudyRelinked, schedule: Schedule) -> list[Exam]:
    """The exams that do not have the study: the one that had it, and those for which a modality says it was made."""
    exams = {exam.key: exam for exam in await schedule.performed_in(fact.study_instance_uid)}
    if fact.previous_order_id is not None:
        await schedule.lock(str(fact.previous_order_id))
        exam = await schedule.exam(str(fact.previous_order_id))
        exams |= {exam.key: exam} if exam is not None else {}
    return [exam for exam in exams.values() if exam.order_id != fact.order_id]


async def on_patient_known(fact: PatientRegistered | PatientUpdated, schedule: Schedule) -> None:
    """Show the patient's current name on the worklist, unless the fact only repeats an order or a study."""
    if fact.provisional:
        return
    await schedule.save_patient(fact.patient_id, fact.patient)
    for exam in await schedule.open_exams_of(fact.patient_id):
        await schedule.save(exam)


async def on_patient_moved(fact: PatientMerged | PatientUnmerged, schedule: Schedule) -> None:
    """Show on the worklist whose the orders under a number are now."""
    await schedule.hold_patients(*fact.holders)
    for exam in await schedule.open_exams_under(fact.patient_id):
        await schedule.save(exam)


async def on_visit_updated(fact: PatientVisitUpdated, schedule: Schedule) -> None:
    """Show where the patient is now. The steps stay as they are: an order is its placer's to take back."""
    if fact.visit.number is not None:
        await schedule.save_visit(fact.visit.number, fact)


async def create_performed(performed: PerformedStep, schedule: Schedule, lists: InstanceLists) -> None:
    """A modality begins (MPPS N-CREATE, IHE RAD-6). Raises DuplicateInstance."""
    await schedule.lock(*_named_by(performed))
    if not await schedule.add_performed(performed):
        raise DuplicateInstance
    exams = await _ordered_for(performed, schedule)
    for exam in exams:
        await settle_exam(exam, with_performed(exam, performed), schedule, lists)
    if not exams:
        await _begin_unscheduled(performed, schedule, lists)


async def change_performed(sop_instance_uid: Uid, wish: Change, schedule: Schedule, lists: InstanceLists) -> None:
    """A modality goes on, finishes or gives up (MPPS N-SET, IHE RAD-7).

    Raises UnknownInstance, NoLongerUpdatable, NoSeries.
    """
    known = await schedule.performed(sop_instance_uid)
    if known is None:
        raise UnknownInstance
    changed = mpps.change(known, wish)
    await schedule.save_performed(changed)
    # Whoever links this step to another exam at this instant is waited for here, so that no exam misses the change.
    await schedule.lock(*_named_by(changed))
    for exam in await schedule.exams_of(changed):
        news = with_performed(exam, changed)
        await settle_exam(exam, put_back(news, changed) if changed.is_wrong_entry else news, schedule, lists)


async def finish_exam(key: str, schedule: Schedule, lists: InstanceLists) -> Exam:
    """Somebody ends an exam whose modality has failed, or whose last step will not be done.

    Raises NoSuchExam, NotPossible.
    """
    await schedule.lock(key)
    exam = await schedule.exam(key)
    if exam is None:
        raise NoSuchExam
    finished = finish(exam)
    for performed in finished.performed:
        await schedule.save_performed(performed)
        for other in await schedule.exams_of(performed):
            if other.key != key:
                await settle_exam(other, with_performed(other, performed), schedule, lists)
    return await settle_exam(exam, finished, schedule, lists)


async def settle_exam(before: Exam | None, exam: Exam, schedule: Schedule, lists: InstanceLists) -> Exam:
    """Bring an exam to where all that is known puts it, keep it, and tell the others."""
    known = Surroundings([], []) if exam.ordered is None else await schedule.surroundings(exam)
    after = settle(await _joined(exam, known, schedule), known.studies)
    if after == before:
        return after
    await schedule.save(after)
    for fact in facts(Move(before, after, known.studies)):
        if isinstance(fact, ExamCompleted | ExamDiscontinued) and is_long(fact):
            fact = shortened(fact, await lists.put(instance_lists(fact)))  # noqa: PLW2901 - the same fact, shorter
        schedule.emit(fact)
    return after


async def _joined(exam: Exam, known: Surroundings, schedule: Schedule) -> Exam:
    """An exam with what was performed for it before anybody knew that; unscheduled exams of it are linked to it."""
    uids = {study.study_instance_uid for study in known.studies}
    named = replace(exam, patient_ids=known.patient_ids)
    loose = [each for each in known.loose_ends if each.study_instance_uid in uids or meant(each, [named])]
    for performed in loose:
        unscheduled = await schedule.exam(performed.study_instance_uid)
        if unscheduled is not None:
            await schedule.save(replace(unscheduled, linked_to=exam.order_id))
    return replace(with_performed(exam, *loose), lost=known.lost)


async def _ordered_for(performed: PerformedStep, schedule: Schedule) -> list[Exam]:
    """The ordered exams that a performed step performs: those that it means, else those whose images it makes."""
    if exams := meant(performed, await schedule.exams_like(performed)):
        return exams
    study = await schedule.study(performed.study_instance_uid)
    unscheduled = await schedule.exam(performed.study_instance_uid)
    order_id = study.order_id or (unscheduled and unscheduled.linked_to)
    exam = await schedule.exam(str(order_id)) if order_id else None
    return [] if exam is None else [exam]


async def _begin_unscheduled(performed: PerformedStep, schedule: Schedule, lists: InstanceLists) -> None:
    uid = performed.study_instance_uid
    known = await schedule.exam(uid)
    exam = known or Exam(key=uid, site=performed.site, study_instance_uid=uid)
    await settle_exam(known, with_performed(exam, performed), schedule, lists)


async def _circumstances(order: OrderPlaced | OrderChanged, schedule: Schedule, planner: Planner) -> Circumstances:
    now = planner.clock()
    titles = choice(order.site, _details(order), planner.catalogue)
    waiting = await schedule.open_steps(order.site, titles, order.asked_for or now) if titles else {}
    return Circumstances(catalogue=planner.catalogue, now=now, open_steps=waiting)


def _details(order: OrderPlaced | OrderChanged) -> OrderDetails:
    return OrderDetails.model_construct(**{name: getattr(order, name) for name in OrderDetails.model_fields})


def _differ(before: OrderDetails, after: OrderDetails) -> bool:
    """Whether a change asks for anything; the door through which it came is no difference."""
    return before.model_copy(update={"source": after.source}) != after


def _given(before: OrderDetails, after: OrderDetails) -> dict[str, object]:
    """What an order can be given at any time, as another patient by its visit: nothing that an exam would refuse."""
    names = ("study_instance_uid", "placer_order_number", "patient_id", "patient")
    given = {name: getattr(before.clinical, name) for name in ("visit_number", "account_number", "location")}
    clinical = after.clinical.model_copy(update=given)
    return {**{name: getattr(before, name) for name in names}, "clinical": clinical}


def _names(order_id: UUID, details: OrderDetails) -> Iterable[str]:
    """By which an order may be meant: who may mean the same waits for the other."""
    yield from (str(order_id), details.study_instance_uid, details.accession_number.value)
    yield from filter(None, (details.scheduled_step_id, *(step.step_id for step in details.steps)))


def _named_by(performed: PerformedStep) -> Iterable[str]:
    for reference in performed.references:
        yield from reference.study_uids
        yield from filter(None, (reference.accession_number, reference.step_id))
