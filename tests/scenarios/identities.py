"""Who the patient is turns out later: IHE RAD PIR (RAD-12), with merges in every order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fj_hl7 import XPN
from fj_simulators import Exam, an_exam
from fj_simulators.exam import a_patient

from tests.scenarios.play import Play


async def unidentified_then_known(play: Play) -> None:
    """PIR case 1: an order for a temporary patient, performed, then merged."""
    unknown, known = _unknown(), an_exam()
    play.has(unknown, known)
    await play.registers(unknown)
    await play.orders(unknown)
    await play.performs(unknown)
    await play.until(unknown, "available")
    await play.registers(known)
    await play.orders(known)
    await play.middle()
    await play.changes_number(unknown, known)
    await play.until_shown(unknown, known)


async def merged_before_the_exam(play: Play) -> None:
    unknown, known = _unknown(), an_exam()
    play.has(unknown, known)
    await play.orders(unknown)
    await play.on_worklist(unknown)
    await play.orders(known)
    await play.changes_number(unknown, known)
    await play.middle()
    await play.until_listed(unknown, known)
    await play.performs(unknown)
    await play.until(unknown, "available")
    await play.until_shown(unknown, known)


async def merged_in_the_middle_of_the_exam(play: Play) -> None:
    """The modality goes on under the old number."""
    unknown, known = _unknown(), an_exam()
    play.has(unknown, known)
    await play.orders(unknown)
    await play.orders(known)
    made = await play.begins(unknown)
    await play.changes_number(unknown, known)
    await play.middle()
    await play.ends(made)
    await play.until(unknown, "available")
    await play.until_shown(unknown, known)
    await play.has_images(unknown, len(made.images))


async def merged_before_anybody_was_registered(play: Play) -> None:
    unknown, known = _unknown(), an_exam()
    play.has(unknown, known)
    await play.changes_number(unknown, known)
    await play.middle()
    await play.orders(unknown)
    await play.orders(known)
    await play.performs(unknown)
    await play.until(unknown, "available")
    await play.until_shown(unknown, known)


async def unscheduled_images_of_somebody_unknown(play: Play) -> None:
    """PIR case 4: images first, under a temporary number; then the only order of the survivor."""
    unknown, known = _unknown(), an_exam()
    play.has(known)
    made = play.clinic.modality.acquires_unscheduled(unknown)
    await play.starts(made)
    await play.ends(made)
    await play.middle()
    await play.changes_number(unknown, known)
    await play.orders(known)
    await play.until(known, "available")
    await play.has_images(known, len(made.images))


async def a_chain_of_merges(play: Play) -> None:
    first, second, third = _unknown(), an_exam(), an_exam()
    await _chained(play, first, second, third, backwards=False)


async def a_chain_of_merges_told_backwards(play: Play) -> None:
    first, second, third = _unknown(), an_exam(), an_exam()
    await _chained(play, first, second, third, backwards=True)


async def a_circle_of_merges(play: Play) -> None:
    """The newest word decides."""
    one, other = an_exam(), an_exam()
    play.has(one, other)
    for exam in (one, other):
        await play.orders(exam)
    now = datetime.now(UTC)
    await play.changes_number(one, other, at=now - timedelta(minutes=5))
    await play.middle()
    await play.changes_number(other, one, at=now)
    for exam in (one, other):
        await play.until_shown(exam, one)


async def an_old_merge_comes_after_a_newer_one(play: Play) -> None:
    unknown, wrong, right = _unknown(), an_exam(), an_exam()
    play.has(unknown, wrong, right)
    for exam in (unknown, wrong, right):
        await play.orders(exam)
    now = datetime.now(UTC)
    await play.changes_number(unknown, right, at=now)
    await play.middle()
    await play.changes_number(unknown, wrong, at=now - timedelta(minutes=5))
    await play.until_shown(unknown, right)


async def a_number_is_changed(play: Play) -> None:
    """A47."""
    old = an_exam()
    new = replace(an_exam(), patient=replace(old.patient, identifiers=a_patient().identifiers))
    play.has(old, new)
    await play.registers(old)
    await play.orders(old)
    await play.on_worklist(old)
    await play.middle()
    await play.changes_number(old, new, "A47")
    await play.orders(new)
    await play.until_shown(old, new)
    await play.performs(old)
    await play.until(old, "available")


async def a_merge_is_undone(play: Play) -> None:
    one, other = an_exam(), an_exam()
    play.has(one, other)
    for exam in (one, other):
        await play.registers(exam)
        await play.orders(exam)
    found = await play.clinic.http.get("/api/patient/patients", params={"number": one.patient_id})
    (key,) = [patient["patient_id"] for patient in found.json()]
    await play.changes_number(one, other)
    await play.until_shown(one, other)
    await play.middle()
    await play.posts(f"/api/patient/patients/{key}/unmerge", reason="two people after all")
    await play.until_shown(one, one)
    await play.until_listed(one, one)
    await play.performs(one)
    await play.until(one, "available")
    await play.until_shown(one, one)


async def another_name_in_the_middle_of_the_exam(play: Play) -> None:
    exam = an_exam()
    play.has(exam)
    await play.registers(exam)
    await play.orders(exam)
    made = await play.begins(exam)
    renamed = replace(exam, patient=replace(exam.patient, names=(XPN("Newname", "Nora"),)))
    await play.registers(renamed, "A08")
    await play.middle()
    await play.ends(made)
    answer = await play.until(exam, "available")
    assert answer["order_id"] is not None

    async def shown() -> bool:
        answer = await play.clinic.where_is(exam)
        return answer is not None and "Newname" in str(answer["patient"])

    await play.becomes(shown, "the new name at the portal")


def _unknown() -> Exam:
    return an_exam(patient=a_patient("Unknown Uwe"))


async def _chained(play: Play, first: Exam, second: Exam, third: Exam, *, backwards: bool) -> None:
    play.has(first, second, third)
    for exam in (first, second, third):
        await play.orders(exam)
    now = datetime.now(UTC)
    links = [(first, second, now - timedelta(minutes=2)), (second, third, now - timedelta(minutes=1))]
    one, other = links[::-1] if backwards else links
    await play.changes_number(one[0], one[1], at=one[2])
    await play.middle()
    await play.changes_number(other[0], other[1], at=other[2])
    for exam in (first, second, third):
        await play.until_shown(exam, third)
    await play.performs(first)
    await play.until(first, "available")


SCENARIOS = (
    unidentified_then_known,
    merged_before_the_exam,
    merged_in_the_middle_of_the_exam,
    merged_before_anybody_was_registered,
    unscheduled_images_of_somebody_unknown,
    a_chain_of_merges,
    a_chain_of_merges_told_backwards,
    a_circle_of_merges,
    an_old_merge_comes_after_a_newer_one,
    a_number_is_changed,
    a_merge_is_undone,
    another_name_in_the_middle_of_the_exam,
)
