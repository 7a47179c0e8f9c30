"""What a person at the machine says of an exam, where no modality says it by MPPS."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from scheduling_service.domain.errors import NotPossible
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.notes import Note
from scheduling_service.domain.step import Act, moved

NOTES_MAX: Final = 100
"""Notes of one exam."""


def start(exam: Exam, step_ids: Collection[str]) -> Exam:
    """The exam with steps begun: those that are named, else all. Raises NotPossible, also for a held one."""
    if exam.is_held:
        raise NotPossible("started: its order is on hold", exam.state)
    return _each(exam, Act.START, "started", step_ids)


def complete(exam: Exam, step_ids: Collection[str]) -> Exam:
    """The exam with steps done: those that are named, else all that were begun.

    Raises NotPossible where none was begun, and where a modality is at it, which will say so itself.
    """
    if exam.is_in_progress:
        raise NotPossible("completed by hand: a modality is at it", exam.state)
    return _each(exam, Act.COMPLETE, "completed", step_ids)


def note(exam: Exam, note_: Note) -> Exam:
    """The exam with one note more. Raises NotPossible for an unscheduled one, and for one that has very many."""
    if exam.ordered is None or len(exam.ordered.notes) >= NOTES_MAX:
        raise NotPossible("noted upon", exam.state)
    return replace(exam, ordered=replace(exam.ordered, notes=(*exam.ordered.notes, note_)))


def _each(exam: Exam, act: Act, done: str, step_ids: Collection[str]) -> Exam:
    steps = tuple(
        replace(step, state=moved(step.state, act)) if not step_ids or step.step_id in step_ids else step
        for step in exam.steps
    )
    if exam.ordered is None or steps == exam.steps:
        raise NotPossible(done, exam.state)
    return replace(exam, steps=steps, ordered=replace(exam.ordered, by_hand=True))
