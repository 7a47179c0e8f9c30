"""When a fact comes, put it into the picture of its exam."""

from datetime import datetime

from fj_events import (
    DeliveryAbandoned,
    Envelope,
    ExamPutBack,
    Fact,
    MessageRefused,
    MessageSettled,
    PatientDuplicateDismissed,
    PatientDuplicateResolved,
    PatientDuplicateSuspected,
    PatientLinked,
    PatientMerged,
    PatientRegistered,
    PatientUnlinked,
    PatientUnmerged,
    PatientUpdated,
    StudyRelinked,
)

from portal_service import duplicates
from portal_service.domain.exam import Exam, StudySeen
from portal_service.domain.exceptions import Kind, Raised, ended_by, raised_by
from portal_service.domain.fold import fold
from portal_service.domain.refs import refs_of
from portal_service.domain.relinking import with_study, without_study
from portal_service.domain.summary import summary
from portal_service.domain.timeline import Entry
from portal_service.ports import Exams, Pair, Pairs


async def on_fact(fact: Fact, envelope: Envelope, exams: Exams) -> None:
    """Any fact about an exam: its picture and its timeline. What a destination was told of a patient is about none."""
    if getattr(fact, "patient_id", None) is not None and fact.topic == DeliveryAbandoned.topic:
        return
    if isinstance(fact, StudyRelinked):
        before = exam = await _moved(fact, exams)
    else:
        before = await exams.open(refs_of(fact), fact.site)
        exam = fold(before, fact)
    await exams.keep(exam)
    await exams.enter(
        exam.exam_id,
        Entry(
            event_id=envelope.id,
            at=envelope.time,
            type=envelope.type,
            site=envelope.site,
            service=envelope.source.rpartition("/")[2],
            summary=summary(fact),
            cause=envelope.causation_id,
            actor=fact.actor,
        ),
    )
    await look_for_exceptions(fact, envelope, exams)
    await duplicates.look(before, exam, fact, envelope, exams)


async def _moved(fact: StudyRelinked, exams: Exams) -> Exam:
    """A study moved: the exam that has it now, after the one that had it was kept without it."""
    uid = fact.study_instance_uid
    left, exam = await exams.move_study(uid, str(fact.order_id) if fact.order_id else uid, fact.site)
    if left is None:
        study = exam.studies.get(uid, StudySeen())
    else:
        study = left.studies.get(uid, StudySeen())
        await exams.keep(without_study(left, uid))
    return with_study(exam, fact, study)


async def look_for_exceptions(fact: Fact, envelope: Envelope, exams: Exams) -> None:
    """Take off the list what the fact ends, put there what it raises."""
    for ended in ended_by(fact):
        await exams.end_exception(ended, fact.key)
    if isinstance(fact, StudyRelinked) and fact.previous_order_id not in {None, fact.order_id}:
        await exams.images_left(str(fact.previous_order_id), envelope.time)
    about = str(fact.order_id) if isinstance(fact, ExamPutBack) else getattr(fact, "about", None)
    kind = raised_by(fact)
    if kind is Kind.WRONG_ENTRY and about and await exams.have_images_left(about, envelope.time):
        return
    if kind:
        await exams.raise_exception(
            Raised(
                event_id=envelope.id,
                kind=kind,
                key=fact.key,
                site=fact.site,
                since=envelope.time,
                summary=summary(fact),
                address=getattr(fact, "address", None),
                about=about,
            )
        )


async def on_message(fact: MessageRefused | MessageSettled, envelope: Envelope, exams: Exams) -> None:
    """A refused message is on the list as its last refusal says, until it is settled."""
    await look_for_exceptions(fact, envelope, exams)


async def on_patient(fact: PatientRegistered | PatientUpdated, envelope: Envelope, exams: Exams) -> None:
    """Every exam of the patient shows who that is now."""
    await exams.patient_is(fact.patient_id, fact.patient)
    await look_for_exceptions(fact, envelope, exams)


async def on_patient_joined(fact: PatientLinked | PatientUnlinked, envelope: Envelope, exams: Exams) -> None:
    """Which person a number stands for has been said; that it stands for no other one ends no question."""
    await look_for_exceptions(fact, envelope, exams)


async def on_patient_moved(fact: PatientMerged | PatientUnmerged, envelope: Envelope, exams: Exams) -> None:
    """The exams of a number are somebody else's now: open pages are told."""
    await exams.patient_moved(fact.patient_id)
    await duplicates.look_again(fact, envelope, exams)
    await look_for_exceptions(fact, envelope, exams)


async def on_duplicate_suspected(fact: PatientDuplicateSuspected, since: datetime, pairs: Pairs) -> None:
    """Two patients may be one person: somebody has to look at them."""
    await pairs.suspect(Pair(fact, since))


async def on_duplicate_answered(fact: PatientDuplicateDismissed | PatientDuplicateResolved, pairs: Pairs) -> None:
    """Nobody has to any more."""
    await pairs.end(fact.patient_id, fact.other_id)
