"""What may happen at the modality and at the reader: IHE RAD SWF.b (group, append, wrong entry, unscheduled)."""

from fj_simulators import Exam, WorklistEntry, an_exam

from tests.scenarios.play import Play

WRONG_ENTRY = "110514"
EQUIPMENT_FAILURE = "110501"
"""PS3.16 CID 9300."""


async def discontinued_without_images_to_keep(play: Play) -> None:
    exam = await play.ordered()
    made = await play.begins(exam)
    await play.middle()
    await play.gives_up(made, EQUIPMENT_FAILURE)
    await play.until(exam, "discontinued")
    await play.tells(exam, exam_started=1, exam_discontinued=1, exam_completed=0)


async def discontinued_and_begun_anew(play: Play) -> None:
    exam = await play.ordered()
    entry = await play.on_worklist(exam)
    first = play.clinic.modality.acquires(entry)
    await play.starts(first, entry)
    await play.gives_up(first, EQUIPMENT_FAILURE)
    await play.until(exam, "discontinued")
    await play.middle()
    await _all_of_it(play, entry, exam)
    await play.tells(exam, exam_discontinued=1, exam_completed=1)


async def the_wrong_worklist_entry(play: Play) -> None:
    wrong = an_exam()
    right = an_exam(patient=wrong.patient)
    play.has(wrong, right)
    for exam in (wrong, right):
        await play.orders(exam)
    mistaken = await play.begins(wrong)
    await play.middle()
    await play.gives_up(mistaken, WRONG_ENTRY)
    for exam in (right, wrong):
        await play.performs(exam)
        await play.until(exam, "available")
    await play.tells(wrong, exam_put_back=1, exam_completed=1)
    await play.tells(right, exam_put_back=0, exam_completed=1)


async def one_acquisition_for_two_orders(play: Play) -> None:
    first = an_exam()
    second = an_exam(patient=first.patient)
    play.has(first, second)
    for exam in (first, second):
        await play.orders(exam)
    entries = [await play.on_worklist(exam) for exam in (first, second)]
    made = play.clinic.modality.acquires(entries[0])
    await play.starts(made, *entries)
    await play.middle()
    await play.ends(made)
    await play.until(first, "available")
    for exam in (first, second):
        await play.off_worklist(exam)
        await play.tells(exam, exam_started=1, exam_completed=1)


async def more_is_made_for_what_was_completed(play: Play) -> None:
    exam = await play.ordered()
    entry = await play.on_worklist(exam)
    await _all_of_it(play, entry, exam)
    await play.middle()
    more = play.clinic.modality.acquires(entry)
    await play.starts(more, entry)
    await play.ends(more)
    await play.has_images(exam, 2 * len(more.images))
    await play.tells(exam, exam_started=2, exam_completed=2, study_matched=1)


async def a_modality_without_mpps(play: Play) -> None:
    exam = await play.ordered()
    made = play.clinic.modality.acquires(await play.on_worklist(exam))
    await play.sends(made)
    await play.middle()
    await play.until(exam, "available")
    await play.off_worklist(exam)
    await play.tells(exam, exam_started=1, exam_completed=1, study_matched=1)


async def images_before_their_order(play: Play) -> None:
    exam = an_exam()
    play.has(exam)
    made = play.clinic.modality.acquires_unscheduled(exam)
    for image in made.images:
        image.AccessionNumber = exam.accession_number
    await play.sends(made)
    await play.middle()
    await play.orders(exam)
    await play.until(exam, "available")
    await play.has_images(exam, len(made.images))
    await play.tells(exam, order_placed=1, study_matched=1)


async def images_that_fit_no_order_are_linked_by_a_person(play: Play) -> None:
    exam = await play.ordered()
    await play.on_worklist(exam)
    stranger = an_exam()
    made = play.clinic.modality.acquires_unscheduled(stranger)
    await play.starts(made)
    await play.ends(made)
    await play.middle()
    await play.links(made, exam)
    await play.until(exam, "available")
    await play.has_images(exam, len(made.images))


async def a_link_was_a_mistake_and_is_undone(play: Play) -> None:
    wrong = an_exam()
    right = an_exam(patient=wrong.patient)
    play.has(wrong, right)
    for exam in (wrong, right):
        await play.orders(exam)
    made = await play.performs(right)
    await play.until(right, "available")
    await play.on_worklist(wrong)
    await play.links(made, wrong)
    await play.has_images(wrong, len(made.images))
    await play.middle()
    await play.posts(f"/api/storage/studies/{made.study_instance_uid}/undo", reason="that was the wrong one")
    await play.has_images(right, len(made.images))
    await play.has_images(wrong, 0)
    await play.on_worklist(wrong)


async def a_report_before_its_order(play: Play) -> None:
    exam = an_exam()
    play.has(exam)
    for status in "PF":
        await play.reports(exam, status)
    await play.middle()
    await play.orders(exam)
    await play.until(exam, "delivered")
    await play.tells(exam, report_finalized=1, delivery_delivered=2)


async def a_report_is_corrected(play: Play) -> None:
    exam = await play.ordered()
    await play.performs(exam)
    await play.until(exam, "available")
    await play.reports(exam, "F")
    await play.until(exam, "delivered")
    await play.middle()
    await play.reports(exam, "C", "A nodule after all.")
    await play.tells(exam, report_finalized=1, report_amended=1)

    async def told() -> bool:
        return sorted({result.status for result in play.clinic.ehr.results(exam)}) == ["C", "F"]

    await play.becomes(told, "the EHR has the correction")


async def _all_of_it(play: Play, entry: WorklistEntry, exam: Exam) -> None:
    made = play.clinic.modality.acquires(entry)
    await play.starts(made, entry)
    await play.ends(made)
    await play.until(exam, "available")


SCENARIOS = (
    discontinued_without_images_to_keep,
    discontinued_and_begun_anew,
    the_wrong_worklist_entry,
    one_acquisition_for_two_orders,
    more_is_made_for_what_was_completed,
    a_modality_without_mpps,
    images_before_their_order,
    images_that_fit_no_order_are_linked_by_a_person,
    a_link_was_a_mistake_and_is_undone,
    a_report_before_its_order,
    a_report_is_corrected,
)
