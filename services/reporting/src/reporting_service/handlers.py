"""When this happens, do that: one function per command or fact."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from fj_events import (
    Fact,
    OrderChanged,
    OrderPlaced,
    PatientRegistered,
    PatientUpdated,
    PriorityRaised,
    ReportAmended,
    ReportFinalized,
    ReportPhi,
    ReportPreliminary,
    ReportRetracted,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
    StudyUnmatched,
    StudyUpdated,
)

from reporting_service.domain.errors import NoSuchExam, NothingToSign, NotPossible, NotThere, Unconfirmed
from reporting_service.domain.report import (
    Reading,
    Report,
    Status,
    Subject,
    about,
    added,
    in_the_orders_name,
    is_said,
    next_version,
    reading_of,
    withdrawn,
)
from reporting_service.ports import Reports


async def file_reading(reading: Reading, reports: Reports) -> None:
    """Take a reading from outside. Where its exam is not known yet it waits for it: the sender has its answer.

    So does an addendum whose document is not known yet.

    A study whose order may still be on its way is no exam yet: the EHR knows the report by its order's numbers.
    """
    subject = await reports.subject_of(reading)
    if subject is None:
        await reports.wait(reading)
    else:
        await _file_or_hold([reading], subject, reports)


async def write_draft(exam_key: str, content: ReportPhi, actor: str, reports: Reports) -> None:
    """Keep what is being written on a page. Raises NoSuchExam."""
    await reports.draft(await _exam(exam_key, reports), content, actor)


async def sign(exam_key: str, reading: Reading, reports: Reports) -> Report:
    """Give out what was written (P, F or C); without a text, the draft. Asked for again it is what it has become.

    Raises NoSuchExam, NotPossible, NothingToSign, Unconfirmed.
    """
    subject = await _exam(exam_key, reports)
    if subject.unconfirmed:
        raise Unconfirmed
    known = await reports.of(subject)
    written = reading.content.text is not None
    draft = None if written else await reports.take_draft(subject)
    if known is not None and draft is None and is_said(known, reading):
        return known
    signed = known is not None and known.status is not Status.PRELIMINARY
    if signed is not (reading.status is Status.CORRECTED):
        raise NotPossible(_name(known), {"P": "a preliminary", "F": "signing", "C": "an amendment"}[reading.status])
    if written:
        await reports.take_draft(subject)
    elif draft is None or not draft.text:
        raise NothingToSign
    else:
        reading = reading.model_copy(update={"content": draft})
    return await _file(reading, subject, reports) or _there(known)


async def given_out(exam_key: str, reports: Reports) -> Report:
    """What was given out about an exam, as it is now: who gave it out had no answer. Raises NoSuchExam, NotThere."""
    report = await reports.of(await _exam(exam_key, reports))
    if report is None:
        raise NotThere
    return report


async def on_order(order: OrderPlaced | OrderChanged, reports: Reports) -> None:
    """What is asked for; a reading that came before its order waits no longer."""
    await reports.keep_order(order.order_id, order.site, order)
    await _catch_up(str(order.order_id), reports)


async def on_study(study: StudyReceived | StudyAvailable | StudyUpdated, reports: Reports) -> None:
    """Images came: an available study can be read."""
    await reports.keep_study(study)
    await _catch_up(study.study_instance_uid, reports)


async def on_matched(study: StudyMatched, reports: Reports) -> None:
    """The study belongs to an order: one exam, one line, one report."""
    await _link(study.study_instance_uid, study.site, study.order_id, reports)
    await _catch_up(str(study.order_id), reports)


async def on_unmatched(study: StudyUnmatched, reports: Reports) -> None:
    """No order fits. Where it shows somebody else than its number is of, what is read of it waits."""
    await reports.doubt(study)
    await _catch_up(study.study_instance_uid, reports)


async def on_relinked(study: StudyRelinked, reports: Reports) -> None:
    """The images are another order's, or none's: the reading list moves, and what was read of them alone goes along.

    The wrong order's report is withdrawn before the right one's is given out: two facts, under the keys of their exams.
    Of a study that lost its order and was given to none, it waits until a person says whose it is, or a rule finds it.
    """
    uid = study.study_instance_uid
    left, to = str(study.previous_order_id or uid), str(study.order_id or uid)
    if left == to:  # a person says that it is of whom its number is, or takes that back
        await reports.relink(study, left)
    elif study.previous_order_id is None and study.order_id is not None:
        await _link(uid, study.site, study.order_id, reports)
    else:
        subject = await reports.subject_with(left)
        alone = subject is not None and subject.study_instance_uids == (uid,)
        report = await reports.of(subject) if subject is not None and alone else None
        await reports.relink(study, left)
        if alone:
            await reports.move_draft(left, to)
        if subject is not None and report is not None:
            await _withdraw(report, subject, study, reports)
            await _move(reading_of(report, subject, uid, study.actor, study.reason), to, reports)
    await _catch_up(to, reports)


async def on_exam_moved(order_id: UUID | None, state: str, reports: Reports) -> None:
    """The exam of an order started or ended."""
    if order_id is not None:
        await reports.exam_is(order_id, state)


async def on_patient(fact: PatientRegistered | PatientUpdated, reports: Reports) -> None:
    """The reading list shows who the patient is now."""
    await reports.patient_is(fact.patient_id, fact.patient)


async def on_priority_raised(fact: PriorityRaised, reports: Reports) -> None:
    """The reading list moves."""
    await reports.study_priority_is(fact.study_instance_uid, fact.site, fact.priority, fact.reason)


async def _catch_up(exam_key: str, reports: Reports) -> None:
    """File the readings that waited for this exam; give out in the order's name what was given out without it."""
    subject = await reports.subject_with(exam_key)
    if subject is None or not subject.settled:
        return
    await _file_or_hold(await reports.waiting_for(subject), subject, reports)
    known = await reports.of(subject)
    if known is not None and known.untold:
        report = in_the_orders_name(known)
        await reports.keep(subject, report)
        reports.emit(_fact(report, subject))


async def _link(uid: str, site: str, order_id: UUID, reports: Reports) -> None:
    await reports.link(uid, site, order_id)
    await reports.move_draft(uid, str(order_id))


async def _file_or_hold(readings: Sequence[Reading], subject: Subject, reports: Reports) -> None:
    """What was read of images that may be another person's is held, and goes where a person says that they belong."""
    unconfirmed = await reports.unconfirmed_of(subject)
    for reading in readings:
        if unconfirmed is None:
            await _file(reading, subject, reports)
        else:
            await reports.wait(about(reading, unconfirmed))


async def _withdraw(report: Report, subject: Subject, study: StudyRelinked, reports: Reports) -> None:
    last = withdrawn(report)
    await reports.retract(last)
    reports.emit(ReportRetracted(**_said(last, subject, study.actor), reason=study.reason))


async def _move(reading: Reading, exam_key: str, reports: Reports) -> None:
    """A report that the other exam has of its own stays: then these words are history there."""
    subject = await reports.subject_with(exam_key)
    if subject is None or not subject.settled:
        await reports.wait(reading)
    else:
        await _file(reading, subject, reports)


async def _file(reading: Reading, subject: Subject, reports: Reports) -> Report | None:
    known = await reports.of(subject)
    if reading.addendum_to is not None and known is None:
        await reports.wait(reading)
        return None
    whole = added(known, reading) if reading.addendum_to is not None and known is not None else reading
    after = 0 if known else await reports.last_version(subject.exam_key)
    report = next_version(known, whole, subject, uuid4(), after)
    if report is None:
        await reports.note(_there(known).report_id, reading, None)
    else:
        await reports.keep(subject, report)
        await reports.note(report.report_id, reading, report.version)
        reports.emit(_fact(report, subject, whole))
    await _add_what_waited(reading, subject, reports, first=known is None)
    return report


async def _add_what_waited(reading: Reading, subject: Subject, reports: Reports, *, first: bool) -> None:
    """Addenda that came before what they are added to."""
    addenda = await reports.waiting_for(subject) if first else ()
    for addendum in (*addenda, *(await reports.addenda_to(reading.document_number) if reading.document_number else ())):
        await _file(addendum, subject, reports)


def _fact(report: Report, subject: Subject, reading: Reading | None = None) -> Fact:
    """What is given out; `reading` is what made this version, where one did."""
    said = _said(report, subject, reading.actor if reading else None)
    said["moved_from"] = reading.moved_from if reading else None
    if report.status is Status.PRELIMINARY:
        return ReportPreliminary(**said)
    if report.status is Status.FINAL:
        return ReportFinalized(**said)
    return ReportAmended(**said, reason=reading.reason if reading else None)


def _said(report: Report, subject: Subject, actor: str | None) -> dict[str, Any]:
    return {
        "site": subject.site,
        "actor": actor,
        "report_id": report.report_id,
        "exam_key": report.exam_key,
        "order_id": subject.order_id,
        "patient_id": subject.patient_id,
        "accession_number": subject.accession_number,
        "placer_order_number": subject.placer_order_number,
        "study_instance_uids": subject.study_instance_uids,
        "version": report.version,
        "author": report.author,
        "signed_at": report.signed_at,
        "source": report.source,
        "content": report.content,
    }


async def _exam(exam_key: str, reports: Reports) -> Subject:
    subject = await reports.subject_with(exam_key)
    if subject is None:
        raise NoSuchExam(exam_key)
    return subject


def _there(report: Report | None) -> Report:
    if report is None:
        raise LookupError("a reading without a report always makes one")
    return report


def _name(report: Report | None) -> str:
    return report.status.name.lower() if report else "not there yet"
