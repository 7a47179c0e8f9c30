"""What turns out to be wrong when it is done, read or on its way already: IHE RAD SWF.b and PIR, corrections."""

from dataclasses import replace

from fj_hl7 import CX, Message
from fj_simulators import Exam, Performed, Received, an_exam
from fj_simulators.exam import a_patient

from tests.scenarios.exams import EQUIPMENT_FAILURE, WRONG_ENTRY
from tests.scenarios.orders import HEAD
from tests.scenarios.play import Play


async def the_wrong_entry_is_told_after_the_report(play: Play) -> None:
    """It was dictated while the modality was at it; then the modality says that it had picked the wrong line."""
    wrong = an_exam()
    right = an_exam(patient=wrong.patient)
    play.has(wrong, right)
    for exam in (wrong, right):
        await play.orders(exam)
    made = await play.begins(wrong)
    await play.sends(made)
    await play.reports(wrong, "F")
    await play.until_known(wrong, "COMPLETED")
    await play.middle()
    await play.gives_up(made, WRONG_ENTRY)
    await play.links(made, right)
    await play.until(right, "delivered")
    await _hears(play, right, "F")
    await _hears(play, wrong, "F", "W")
    await _waits_as_another_study(play, wrong, made)
    again = await play.performs(wrong)
    await play.reports(wrong, "F", "Nothing new.")
    await play.until(wrong, "delivered")
    await _hears(play, wrong, "F", "W", "F")
    await play.tells(wrong, exam_put_back=1, report_retracted=1, order_reopened=1, order_completed=2)
    for exam, images in ((right, made.images), (wrong, again.images)):
        await play.has_images(exam, len(images))


async def one_order_of_a_group_is_not_finished(play: Play) -> None:
    """One acquisition for two orders breaks off; it is taken up again for one of them."""
    finished = an_exam()
    unfinished = an_exam(patient=finished.patient)
    play.has(finished, unfinished)
    for exam in (finished, unfinished):
        await play.orders(exam)
    entries = [await play.on_worklist(exam) for exam in (finished, unfinished)]
    part = play.clinic.modality.acquires(entries[0])
    await play.starts(part, *entries)
    await play.sends(part)
    await play.middle()
    await play.gives_up(part, EQUIPMENT_FAILURE)
    rest = play.clinic.modality.acquires(entries[0])
    await play.starts(rest, entries[0])
    await play.ends(rest)
    await play.until(finished, "available")
    await play.has_images(finished, len(part.images) + len(rest.images))
    await play.until(unfinished, "discontinued")
    await play.tells(finished, exam_started=2, exam_discontinued=1, exam_completed=1)
    await play.tells(unfinished, exam_started=1, exam_discontinued=1, exam_completed=0)
    await play.until_known(finished, "PERFORMED")
    await play.until_known(unfinished, "DISCONTINUED")
    await _is_told(play, finished, "IP", f"DC {EQUIPMENT_FAILURE}", "IP", "CM")
    await _is_told(play, unfinished, "IP", f"DC {EQUIPMENT_FAILURE}")


async def more_is_made_after_the_report(play: Play) -> None:
    """The append case, when all is signed and delivered: the report stays, and may have an addendum."""
    exam = await play.ordered()
    entry = await play.on_worklist(exam)
    made = play.clinic.modality.acquires(entry)
    await play.starts(made, entry)
    await play.ends(made)
    await play.until(exam, "available")
    await play.reports(exam, "F")
    await play.until_known(exam, "COMPLETED")
    await play.middle()
    more = play.clinic.modality.acquires(entry)
    await play.starts(more, entry)
    await play.ends(more)
    await play.has_images(exam, len(made.images) + len(more.images))
    answer = await play.until(exam, "delivered")
    assert answer["report"] == {"status": "final", "version": 1}
    await play.tells(exam, exam_completed=2, study_available=1, study_matched=1, report_finalized=1, order_completed=1)
    await _hears(play, exam, "F")
    await play.posts(f"/api/reporting/exams/{answer['order_id']}/amend", text="A nodule.", reason="more images")
    await _hears(play, exam, "F", "C")
    await play.tells(exam, report_finalized=1, report_amended=1, order_completed=1)
    await play.until_known(exam, "COMPLETED")


async def a_result_of_the_wrong_patient(play: Play) -> None:
    """PIR: somebody takes signed images off their order, gives them to another patient's, and was wrong with that."""
    right, wrong = an_exam(), an_exam()
    play.has(right, wrong)
    for exam in (right, wrong):
        await play.registers(exam)
        await play.orders(exam)
    made = await play.performs(right)
    await play.until(right, "available")
    await play.reports(right, "F")
    await play.until_known(right, "COMPLETED")
    study = f"/api/storage/studies/{made.study_instance_uid}"
    await play.posts(f"{study}/unlink", reason="not this patient")
    await _hears(play, right, "F", "W")
    await play.links(made, wrong)
    await play.until(wrong, "delivered")
    await _hears(play, wrong, "F")
    await play.middle()
    await play.posts(f"{study}/undo", reason="that was the wrong one")
    await _hears(play, wrong, "F", "W")
    await play.links(made, right)
    await play.until(right, "delivered")
    await _hears(play, right, "F", "W", "F")
    await play.has_images(right, len(made.images))
    await play.has_images(wrong, 0)
    await play.on_worklist(wrong)
    acts = (await play.clinic.http.get(f"{study}/links")).json()
    assert {act["actor"] for act in acts} == {"operator"}
    assert sorted(act["act"] for act in acts) == ["link", "link", "undo", "unlink"]


async def changed_after_the_arrival_and_cancelled_after_the_end(play: Play) -> None:
    exam = await play.ordered()
    await play.on_worklist(exam)
    known = await play.known(exam)
    await play.posts(f"/api/scheduling/exams/{known['order_id']}/arrive")
    await play.until(exam, "arrived")
    await play.orders(replace(exam, procedure=HEAD), "XO")
    await play.tells(exam, order_changed=1, exam_arrived=1, exam_rescheduled=1)
    made = await play.begins(exam)
    await play.middle()
    await play.ends(made)
    await play.until_known(exam, "PERFORMED")
    await play.is_refused(play.order(exam, "CA"))
    await play.until(exam, "available")
    await play.tells(exam, exam_started=1, exam_completed=1, order_cancelled=0)
    assert await _procedures(play, exam) == {HEAD.text}


async def changed_and_cancelled_while_the_exam_begins(play: Play) -> None:
    """Change and cancel cross with the modality's messages: the exam wins, and its placer hears of it in either way."""
    exam = await play.ordered()
    entry = await play.on_worklist(exam)
    known = await play.known(exam)
    await play.posts(f"/api/scheduling/exams/{known['order_id']}/arrive")
    await play.orders(replace(exam, procedure=HEAD), "XO")
    made = play.clinic.modality.acquires(entry)
    await play.starts(made, entry)
    await play.middle()
    await play.ends(made)
    taken = await play.asks(exam, "CA")
    await play.until(exam, "available")
    await play.until_known(exam, "PERFORMED")

    async def agreed() -> bool:
        return len(await _procedures(play, exam)) == 1

    await play.becomes(agreed, "one procedure everywhere")
    changed = await _procedures(play, exam) == {HEAD.text}
    told = [] if changed else ["UX IP"]
    if taken:
        told.append("UC IP")

    async def hears() -> bool:
        return sorted(said for said in _statuses(play, exam) if said.startswith("U")) == sorted(told)

    await play.becomes(hears, f"the placer is told {told}")
    await play.tells(exam, exam_started=1, exam_completed=1)


async def merged_while_reports_are_on_their_way_and_unmerged(play: Play) -> None:
    """A report that was told while the two were one patient is taken back, and told of whom it is."""
    one, other = an_exam(), an_exam()
    late = an_exam(patient=one.patient)
    play.has(one, late, other)
    for exam in (one, late, other):
        await play.registers(exam)
        await play.orders(exam)
        await play.performs(exam)
    found = await play.clinic.http.get("/api/patient/patients", params={"number": one.patient_id})
    (key,) = [patient["patient_id"] for patient in found.json()]
    with play.clinic.ehr.holding_back(one, other, late):
        for exam in (one, other):
            await play.reports(exam, "F")
            await _hears(play, exam, "F")
        await play.changes_number(one, other)
        for exam in (one, late):
            await play.until_shown(exam, other)
        await play.reports(late, "F")
        await _hears(play, late, "F")
        await play.middle()
        await play.posts(f"/api/patient/patients/{key}/unmerge", reason="two people after all")
        for exam in (one, late):
            await play.until_shown(exam, one)
    for exam in (one, late, other):
        await play.until(exam, "delivered")
        await _has_it_last(play, exam)


async def made_and_read_by_a_merge_that_is_undone_and_made_again(play: Play) -> None:
    """Who lay on the table under the survivor's name nobody knows once they are two: a person has to, or the merge."""
    one, other = (an_exam(patient=a_patient(name)) for name in ("Nora Lindqvist", "Tomas Berger"))
    play.has(one, other)
    for exam in (one, other):
        await play.registers(exam)
        await play.orders(exam)
    found = await play.clinic.http.get("/api/patient/patients", params={"number": one.patient_id})
    (key,) = [patient["patient_id"] for patient in found.json()]
    await play.changes_number(one, other)
    await play.until_listed(one, other)
    made = await play.performs(one)
    await play.until(one, "available")
    await play.reports(one, "F")
    await play.until(one, "delivered")
    await play.middle()
    await play.posts(f"/api/patient/patients/{key}/unmerge", reason="two people after all")
    await _is_unconfirmed(play, made)
    await _hears_last(play, one, "W")
    await _waits_as_another_study(play, one, made)
    await play.has_images(one, 0)
    await play.until_shown(one, one)
    await play.changes_number(one, other)
    await play.until(one, "delivered")
    await _hears_last(play, one, "F")
    await play.has_images(one, len(made.images))
    await play.until_known(one, "COMPLETED")


async def _is_unconfirmed(play: Play, made: Performed) -> None:
    async def unconfirmed() -> bool:
        study = (await play.clinic.http.get(f"/api/storage/studies/{made.study_instance_uid}")).json()
        return study["order_id"] is None and "name" in study["contradicted_by"]

    await play.becomes(unconfirmed, "images of which it is in doubt whose they are")


async def _hears_last(play: Play, exam: Exam, status: str) -> None:
    async def heard() -> bool:
        return _status(_results(play, exam)[-1]) == status

    await play.becomes(heard, f"the EHR has {status} of {exam.accession_number} in the end")


async def _waits_as_another_study(play: Play, exam: Exam, made: Performed) -> None:
    async def waits() -> bool:
        return bool((await play.on_worklist(exam)).dataset.StudyInstanceUID != made.study_instance_uid)

    await play.becomes(waits, f"{exam.accession_number} on the worklist under a Study UID of its own")


async def _hears(play: Play, exam: Exam, *statuses: str) -> None:
    async def heard() -> bool:
        assert [_status(result) for result in _results(play, exam)] == list(statuses)
        return True

    await play.becomes(heard, f"the EHR has {statuses} of {exam.accession_number}")


async def _has_it_last(play: Play, exam: Exam) -> None:
    """The newest that the EHR heard of the report is the report, of the exam's own patient."""

    async def has() -> bool:
        last = _results(play, exam)[-1]
        assert (_status(last), _whose(last)) == ("F", exam.patient_id)
        return True

    await play.becomes(has, f"the report on {exam.accession_number} of {exam.patient_id}")


async def _is_told(play: Play, exam: Exam, *statuses: str) -> None:
    async def told() -> bool:
        assert _statuses(play, exam) == list(statuses)
        return True

    await play.becomes(told, f"the placer is told {statuses} of {exam.accession_number}")


def _results(play: Play, exam: Exam) -> list[Received]:
    """What the EHR has of the exam's report; what came twice under one control id is one message."""
    return list({result.control_id: result for result in play.clinic.ehr.results(exam)}.values())


def _statuses(play: Play, exam: Exam) -> list[str]:
    """What the placer was told of its order: ORC-5, what could not be done (ORC-1), and why (ORC-16)."""
    said = []
    for each in {status.control_id: status for status in play.clinic.ehr.statuses(exam)}.values():
        orc = Message.parse(each.raw)["ORC"]
        unable = orc.get(1) if orc.get(1) != "SC" else ""
        said.append(" ".join(filter(None, (unable, orc.get(5), orc.get(16)))))
    return said


async def _procedures(play: Play, exam: Exam) -> set[str]:
    """What is performed, as the rooms have it."""
    number = exam.accession_number
    http = play.clinic.http
    order = await play.known(exam)
    (planned,) = (await http.get("/api/scheduling/exams", params={"accession_number": number})).json()["exams"]
    shown = await play.clinic.where_is(exam)
    assert shown is not None
    return {each["procedure"]["text"] for each in (order, planned, shown)}


def _status(result: Received) -> str:
    withdrawn = {obx.get(11) for obx in Message.parse(result.raw).segments("OBX")} == {"W"}
    return "W" if withdrawn else result.status


def _whose(result: Received) -> str | None:
    number = Message.parse(result.raw)["PID"].first(CX, 3)
    return number.value if number else None


SCENARIOS = (
    the_wrong_entry_is_told_after_the_report,
    one_order_of_a_group_is_not_finished,
    more_is_made_after_the_report,
    a_result_of_the_wrong_patient,
    changed_after_the_arrival_and_cancelled_after_the_end,
    changed_and_cancelled_while_the_exam_begins,
    merged_while_reports_are_on_their_way_and_unmerged,
    made_and_read_by_a_merge_that_is_undone_and_made_again,
)
