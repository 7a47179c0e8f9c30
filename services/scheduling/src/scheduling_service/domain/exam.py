"""An exam: the scheduled steps of an order, what was performed for them, and where all of it stands."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events import CodedConcept, OrderDetails, Uid

from scheduling_service.domain import performed as mpps
from scheduling_service.domain.errors import NotPossible
from scheduling_service.domain.notes import Note
from scheduling_service.domain.performed import PerformedStatus, PerformedStep, Reference, after
from scheduling_service.domain.step import WAITING, Act, Step, StepState, moved
from scheduling_service.domain.study import Study
from scheduling_service.domain.waiting import Waiting

WAITS: Final = (StepState.SCHEDULED, StepState.MISSED)
"""The states in which an exam may be on the waiting list."""
_UNFINISHED: Final = WAITING | {StepState.STARTED}
_BEFORE: Final = (StepState.SCHEDULED, StepState.ARRIVED, StepState.MISSED)
_OVER: Final = (StepState.COMPLETED, StepState.DISCONTINUED, StepState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The order that an exam performs, as it was planned."""

    order_id: UUID
    details: OrderDetails
    procedure: CodedConcept
    """As ordered, with the catalogue's text where the order has none."""
    planned_because: str
    """Who or what chose time and station."""
    held: bool = False
    """The order is on hold: nothing of it stands on the worklist until it is released."""
    waiting: Waiting | None = None
    """Somebody wants an appointment for it; see `Exam.waits`."""
    by_hand: bool = False
    """A person said that it was started or completed."""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """An ordered exam has an order and steps; an unscheduled one only what was performed."""

    key: str
    """The order id where the exam was ordered, else the Study Instance UID. Never changes."""
    site: str
    study_instance_uid: Uid
    ordered: Ordered | None = None
    linked_to: UUID | None = None
    """Of an unscheduled exam: the order that it turned out to belong to, whose own exam has what was performed too."""
    steps: tuple[Step, ...] = ()
    unscheduled_state: StepState = StepState.SCHEDULED
    """Of an exam without steps."""
    performed: tuple[PerformedStep, ...] = ()
    """In the order of their creation."""
    patient_ids: frozenset[UUID] = field(default=frozenset(), compare=False)
    """By which a modality may name the patient, merges seen through; looked up, no part of the exam itself."""
    lost: frozenset[Uid] = field(default=frozenset(), compare=False)
    """Studies that are another order's, or nobody's, as a person said; looked up too."""

    @property
    def order_id(self) -> UUID | None:
        """The order, where one is known."""
        return self.linked_to if self.ordered is None else self.ordered.order_id

    @property
    def state(self) -> StepState:
        """The state of the whole: over when every step is over, and then as the best of them."""
        if not self.steps:
            return self.unscheduled_state
        states = {step.state for step in self.steps}
        if states <= WAITING:
            return next(state for state in _BEFORE if state in states)
        if states & _UNFINISHED:
            return StepState.STARTED
        return next(state for state in _OVER if state in states)

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of it has begun."""
        return self.state in WAITING

    @property
    def is_held(self) -> bool:
        """Whether nobody may begin it: its order is on hold, and no modality has overruled that."""
        return self.ordered is not None and self.ordered.held and self.is_waiting

    @property
    def is_booked(self) -> bool:
        """Whether there is an appointment."""
        return any(step.keeps_its_slot for step in self.steps)

    @property
    def waits(self) -> Waiting | None:
        """What it waits for, on the waiting list; who is here, or has an appointment, does not wait."""
        if self.ordered is None or self.is_held or self.is_booked or self.state not in WAITS:
            return None
        return self.ordered.waiting

    @property
    def counted(self) -> tuple[PerformedStep, ...]:
        """What was performed for this exam; not what was meant for another one, as a modality or a person says."""
        if self.ordered is None:
            return self.performed
        return tuple(each for each in self.performed if not (each.is_wrong_entry or each.is_lost_with(self.lost)))

    @property
    def is_in_progress(self) -> bool:
        """Whether a modality is at it and has said so."""
        return any(each.status is PerformedStatus.IN_PROGRESS for each in self.performed)


def means_by_uid(reference: Reference, exam: Exam) -> bool:
    """Whether a modality means this exam by its Study Instance UID, which is unique everywhere."""
    uids = {exam.study_instance_uid}
    if exam.ordered is not None:
        uids.add(exam.ordered.details.study_instance_uid)
    return not uids.isdisjoint(reference.study_uids)


def means_by_number(performed: PerformedStep, reference: Reference, exam: Exam) -> bool:
    """Whether a modality means this exam by accession number, or by step id and patient.

    A number is unique for its issuer, and where none is named, within the site (law 6). A step id may come from a
    placer who counts from 1 for each order, so the patient must be the same too.
    """
    if exam.ordered is None:
        return False
    at_site = performed.site == exam.site
    details = exam.ordered.details
    if reference.accession_number == details.accession_number.value:
        issuer = reference.accession_issuer
        return at_site if issuer is None else issuer == details.accession_number.issuer
    return has_step(exam, reference) and at_site and performed.patient_id in (exam.patient_ids or {details.patient_id})


def has_step(exam: Exam, reference: Reference) -> bool:
    """Whether the step that a modality names is one of this exam's."""
    return reference.step_id in {step.step_id for step in exam.steps}


def meant(performed: PerformedStep, exams: Sequence[Exam]) -> list[Exam]:
    """The exams that a performed step performs, out of those that might be.

    For each reference: the Study UID decides; else the numbers do, and where several orders share an accession
    number, the step id among them. Where a modality groups orders under the Study UID of one of them, it is their
    numbers that tell them apart, also when it goes on with one of them later.
    """
    found: dict[str, Exam] = {}
    studies = Counter(reference.study_instance_uid for reference in performed.references)
    for reference in performed.references:
        by_uid = [exam for exam in exams if means_by_uid(reference, exam)]
        by_number = [exam for exam in exams if means_by_number(performed, reference, exam)]
        by_step = [exam for exam in by_number if has_step(exam, reference)]
        numbered = by_step or by_number
        grouped = studies[reference.study_instance_uid] > 1
        found |= {exam.key: exam for exam in ((grouped or len(by_uid) > 1) and numbered) or by_uid or numbered}
    return list(found.values())


def step_ids(exam: Exam, performed: PerformedStep) -> tuple[str, ...]:
    """The steps of the exam that a performed step performs: those that it names, or all when it names none of them."""
    named = {reference.step_id for reference in performed.references}
    ours = tuple(step.step_id for step in exam.steps)
    return tuple(step_id for step_id in ours if step_id in named) or ours


def with_performed(exam: Exam, *performed: PerformedStep) -> Exam:
    """The exam with performed steps that belong to it, new or changed."""
    known = {each.sop_instance_uid: each for each in (*exam.performed, *performed)}
    return replace(exam, performed=tuple(known.values()))


def settle(exam: Exam, studies: Sequence[Study]) -> Exam:
    """The exam after all that is known: what modalities said, then what its images say.

    Images start an exam, and complete studies end it, only where no modality says otherwise (law 9). Those that a
    modality made under the wrong worklist entry are another exam's.
    """
    studies = [study for study in studies if study.study_instance_uid not in _of_others(exam)]
    steps = [replace(step, state=after(step.state, _statuses(exam, step))) for step in exam.steps]
    if studies and not exam.counted:
        steps = [replace(step, state=moved(step.state, Act.START)) for step in steps]
    if studies and all(study.available for study in studies) and not exam.is_in_progress:
        steps = [replace(step, state=_ended_by_images(step.state)) for step in steps]
    return replace(
        exam,
        steps=tuple(steps),
        unscheduled_state=exam.unscheduled_state if steps else after(exam.unscheduled_state, _all(exam)),
        study_instance_uid=_study_uid(exam, studies),
    )


def put_back(exam: Exam, performed: PerformedStep) -> Exam:
    """The exam after a modality has said that it was a mistake: what nothing else was done for waits again."""
    kept = {step_id for each in exam.counted for step_id in step_ids(exam, each)}
    mistaken = set(step_ids(exam, performed)) - kept
    steps = (
        replace(step, state=moved(step.state, Act.PUT_BACK)) if step.step_id in mistaken else step
        for step in exam.steps
    )
    return replace(exam, steps=tuple(steps))


def without_images(exam: Exam) -> Exam:
    """The exam without what images have shown that are another order's; those still its own may show it again."""
    if exam.ordered is not None and exam.ordered.by_hand:
        return exam
    kept = {step_id for each in exam.counted for step_id in step_ids(exam, each)}
    lost = {step_id for each in exam.performed if each not in exam.counted for step_id in step_ids(exam, each)}
    # Where no modality says otherwise, images alone have moved every step.
    taken = lost - kept if exam.counted else {step.step_id for step in exam.steps}
    steps = (
        replace(step, state=moved(step.state, Act.TAKE_AWAY)) if step.step_id in taken else step for step in exam.steps
    )
    return replace(exam, steps=tuple(steps))


def with_details(exam: Exam, details: OrderDetails) -> Exam:
    """The exam after its order was given a number by its placer or another Study UID, or went to another patient.

    The UID of images that it loses is not its own.
    """
    return exam if exam.ordered is None else replace(exam, ordered=replace(exam.ordered, details=details))


def cancel(exam: Exam) -> Exam:
    """The exam after its order was cancelled; what has started stays."""
    if not exam.is_waiting:
        return exam
    steps = tuple(replace(step, state=moved(step.state, Act.CANCEL)) for step in exam.steps)
    return replace(exam, steps=steps)


def hold(exam: Exam, *, held: bool) -> Exam:
    """The exam after its order was held, or released."""
    return exam if exam.ordered is None else replace(exam, ordered=replace(exam.ordered, held=held))


def finish(exam: Exam) -> Exam:
    """A started exam that will not go on by itself: what has begun is completed, what has not is cancelled.

    Raises NotPossible for one that was not started, or is over.
    """
    if exam.state is not StepState.STARTED:
        raise NotPossible("finished", exam.state)
    steps = (replace(step, state=moved(step.state, Act.CANCEL, Act.COMPLETE)) for step in exam.steps)
    return replace(exam, steps=tuple(steps), performed=tuple(map(mpps.finish, exam.performed)))


def _ended_by_images(state: StepState) -> StepState:
    return moved(state, Act.START, Act.COMPLETE) if state in _UNFINISHED else state


def _statuses(exam: Exam, step: Step) -> Iterable[PerformedStatus]:
    return (each.status for each in exam.counted if step.step_id in step_ids(exam, each))


def _all(exam: Exam) -> Iterable[PerformedStatus]:
    return (each.status for each in exam.performed)


def _of_others(exam: Exam) -> set[Uid]:
    """The studies in which modalities put images of other exams, and nothing of this one."""
    mistaken = {each.study_instance_uid for each in exam.performed if each not in exam.counted}
    return mistaken - {each.study_instance_uid for each in exam.counted}


def _study_uid(exam: Exam, studies: Sequence[Study]) -> Uid:
    """The images' UID is the exam's; the ordered one stays where some of the images have it."""
    if exam.ordered is None:
        return exam.study_instance_uid
    uids = {study.study_instance_uid for study in studies} or {each.study_instance_uid for each in exam.counted}
    ordered = exam.ordered.details.study_instance_uid
    return ordered if not uids or ordered in uids else min(uids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which exams somebody looks for; None is any."""

    site: str | None = None
    state: StepState | None = None
    order_id: UUID | None = None
    accession_number: str | None = None
    study_instance_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSteps:
    """Which steps somebody looks for; None is any."""

    site: str | None = None
    state: StepState | None = None
    station_ae_title: str | None = None
    modality: str | None = None
    starts_from: datetime | None = None
    starts_before: datetime | None = None
