"""What may happen to an order: IHE RAD SWF.b order management (RAD-2, RAD-3) and appointments (RAD-48)."""

from dataclasses import replace
from datetime import timedelta

from fj_hl7 import CWE
from fj_simulators import an_exam

from tests.scenarios.play import Play, tomorrow

HEAD = CWE("CTHEAD", "CT head", "L")


async def ordered_performed_and_reported(play: Play) -> None:
    exam = an_exam()
    play.has(exam)
    await play.registers(exam)
    await play.orders(exam)
    await play.performs(exam, pause=True)
    await play.until(exam, "available")
    for status in "PF":
        await play.reports(exam, status)
    await play.until(exam, "delivered")
    await play.tells(exam, order_placed=1, exam_started=1, exam_completed=1, study_matched=1, order_completed=1)


async def stat_without_registration(play: Play) -> None:
    exam = await play.ordered("S")
    await play.middle()
    await play.performs(exam)
    await play.until(exam, "available")
    await play.tells(exam, order_placed=1, exam_completed=1, finding_priority_raised=1)


async def cancelled_before_the_start(play: Play) -> None:
    exam = await play.ordered()
    await play.on_worklist(exam)
    await play.middle()
    await play.orders(exam, "CA")
    await play.until(exam, "cancelled")
    await play.off_worklist(exam)
    await play.tells(exam, order_placed=1, order_cancelled=1, exam_cancelled=1)


async def cancelled_when_it_has_begun(play: Play) -> None:
    exam = await play.ordered()
    made = await play.begins(exam)
    await play.until_known(exam, "IN_PROGRESS")
    await play.is_refused(play.order(exam, "CA"))
    await play.middle()
    await play.ends(made)
    await play.until(exam, "available")
    await play.tells(exam, order_cancelled=0, exam_started=1, exam_completed=1)


async def changed_before_the_start(play: Play) -> None:
    exam = await play.ordered()
    await play.on_worklist(exam)
    await play.middle()
    await play.orders(replace(exam, procedure=HEAD), "XO")
    await play.tells(exam, order_changed=1, exam_rescheduled=1)
    entry = await play.on_worklist(exam)
    assert entry.dataset.RequestedProcedureDescription == HEAD.text
    await play.performs(exam)
    await play.until(exam, "available")


async def changed_when_it_has_begun(play: Play) -> None:
    exam = await play.ordered()
    made = await play.begins(exam)
    await play.until_known(exam, "IN_PROGRESS")
    await play.middle()
    await play.is_refused(play.order(replace(exam, procedure=HEAD), "XO"))
    await play.ends(made)
    await play.until(exam, "available")
    await play.tells(exam, order_changed=0, exam_started=1)


async def held_and_released(play: Play) -> None:
    exam = await play.ordered()
    await play.on_worklist(exam)
    await play.orders(exam, "HD")
    await play.off_worklist(exam)
    await play.middle()
    await play.orders(exam, "RL")
    await play.performs(exam)
    await play.until(exam, "available")
    await play.tells(exam, order_held=1, order_released=1)


async def held_and_performed_all_the_same(play: Play) -> None:
    exam = await play.ordered()
    entry = await play.on_worklist(exam)
    await play.orders(exam, "HD")
    await play.off_worklist(exam)
    await play.middle()
    made = play.clinic.modality.acquires(entry)
    await play.starts(made, entry)
    await play.ends(made)
    await play.until(exam, "available")
    await play.tells(exam, order_held=1, order_released=1, exam_cancel_refused=1)


async def replaced_by_another_order(play: Play) -> None:
    old = an_exam()
    new = replace(an_exam(patient=old.patient), procedure=HEAD)
    play.has(old, new)
    await play.orders(old)
    await play.on_worklist(old)
    await play.middle()
    gone, wanted = play.order(old, "RP").split(b"\r"), play.order(new, "RO").split(b"\r")
    named = [line for line in gone if line.startswith(b"ORC")]
    await play.tells_orders(b"\r".join([*wanted[:3], *named, *wanted[3:]]))
    await play.until(old, "cancelled")
    await play.performs(new)
    await play.until(new, "available")
    await play.tells(old, order_cancelled=1)
    await play.tells(new, order_placed=1)


async def changed_before_it_was_placed(play: Play) -> None:
    exam = an_exam()
    play.has(exam)
    placed = play.order(exam)
    changed = play.order(replace(exam, procedure=HEAD), "XO")
    await play.tells_orders(changed)
    await play.middle()
    await play.tells_orders(placed)

    async def is_changed() -> bool:
        return bool((await play.on_worklist(exam)).dataset.RequestedProcedureDescription == HEAD.text)

    await play.becomes(is_changed, "the change that waited")
    await play.performs(exam)
    await play.until(exam, "available")
    await play.tells(exam, order_placed=1, order_changed=1)


async def cancelled_before_it_was_placed(play: Play) -> None:
    exam = an_exam()
    play.has(exam)
    placed, cancelled = play.order(exam), play.order(exam, "CA")
    await play.tells_orders(cancelled)
    await play.middle()
    await play.tells_orders(placed)
    await play.until(exam, "cancelled")
    await play.off_worklist(exam)
    await play.tells(exam, order_placed=1, order_cancelled=1)


async def an_old_change_comes_after_a_newer_one(play: Play) -> None:
    exam = an_exam()
    play.has(exam)
    await play.tells_orders(play.order(exam, minutes_ago=10))
    old = play.order(replace(exam, procedure=HEAD), "XO", minutes_ago=5)
    new = play.order(replace(exam, procedure=CWE("CTABD", "CT abdomen", "L")), "XO")
    await play.tells_orders(new)
    await play.middle()
    await play.tells_orders(old)
    entry = await play.on_worklist(exam)
    assert entry.dataset.RequestedProcedureDescription != HEAD.text
    await play.tells(exam, order_placed=1, order_changed=1)
    await play.performs(exam)
    await play.until(exam, "available")


async def two_procedures_in_one_message(play: Play) -> None:
    first = an_exam()
    second = replace(an_exam(patient=first.patient), procedure=HEAD)
    play.has(first, second)
    lines = play.order(second).split(b"\r")
    await play.tells_orders(play.order(first) + b"\r".join(lines[3:]))
    await play.middle()
    for exam in (first, second):
        await play.performs(exam)
        await play.until(exam, "available")
        await play.tells(exam, order_placed=1, study_matched=1)


async def appointed_moved_and_kept(play: Play) -> None:
    exam = await play.ordered()
    await play.on_worklist(exam)
    at = tomorrow(8) + timedelta(minutes=17 * (int(exam.patient_id[1:5], 16) % 24))
    await play.appoints(exam, "S12", at)
    await play.middle()
    await play.appoints(exam, "S13", at + timedelta(days=1))
    await play.tells(exam, exam_scheduled=1, exam_rescheduled=2)
    await play.performs(exam)
    await play.until(exam, "available")


async def missed_and_appointed_again(play: Play) -> None:
    exam = await play.ordered()
    await play.on_worklist(exam)
    at = tomorrow(8) + timedelta(days=3, minutes=17 * (int(exam.patient_id[1:5], 16) % 24))
    await play.appoints(exam, "S12", at)
    await play.appoints(exam, "S26")
    await play.off_worklist(exam)
    await play.middle()
    await play.appoints(exam, "S12", at + timedelta(days=7))
    await play.on_worklist(exam)
    await play.tells(exam, exam_missed=1, exam_rescheduled=2)
    await play.performs(exam)
    await play.until(exam, "available")


SCENARIOS = (
    ordered_performed_and_reported,
    stat_without_registration,
    cancelled_before_the_start,
    cancelled_when_it_has_begun,
    changed_before_the_start,
    changed_when_it_has_begun,
    held_and_released,
    held_and_performed_all_the_same,
    replaced_by_another_order,
    changed_before_it_was_placed,
    cancelled_before_it_was_placed,
    an_old_change_comes_after_a_newer_one,
    two_procedures_in_one_message,
    appointed_moved_and_kept,
    missed_and_appointed_again,
)
