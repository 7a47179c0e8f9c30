"""Handlers of what people at the machine do: start, complete, note."""

from collections.abc import Collection

from fj_events import ExamNoted, NotePhi

from scheduling_service.appointments import about_exam, exam_in_hand
from scheduling_service.domain.by_hand import complete, note, start
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.notes import Note
from scheduling_service.handlers import settle_exam
from scheduling_service.ports import InstanceLists, Schedule


async def start_exam(key: str, step_ids: Collection[str], schedule: Schedule, lists: InstanceLists) -> Exam:
    """Somebody begins, at a machine that does not say so. Raises NoSuchExam, NotPossible."""
    exam = await exam_in_hand(key, schedule)
    return await settle_exam(exam, start(exam, step_ids), schedule, lists)


async def complete_exam(key: str, step_ids: Collection[str], schedule: Schedule, lists: InstanceLists) -> Exam:
    """Somebody is done, at a machine that does not say so. Raises NoSuchExam, NotPossible."""
    exam = await exam_in_hand(key, schedule)
    return await settle_exam(exam, complete(exam, step_ids), schedule, lists)


async def note_on_exam(key: str, written: Note, schedule: Schedule) -> Exam:
    """Somebody notes something: the worklist and the timeline of the exam have it. Raises NoSuchExam, NotPossible."""
    exam = note(await exam_in_hand(key, schedule), written)
    await schedule.save(exam)
    for about in about_exam(exam):
        schedule.emit(ExamNoted(**about, note=NotePhi(text=written.text)))
    return exam
