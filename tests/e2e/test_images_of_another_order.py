"""The wrong line was picked and even the report is signed: a person links the images, and every room follows."""

import pytest
from fj_hl7 import Message
from fj_simulators import Clinic, an_exam
from fj_testing import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def test_a_link_takes_report_and_images_to_their_order_and_the_other_one_waits_again(clinic: Clinic) -> None:
    wrong = an_exam()
    right = an_exam(patient=wrong.patient)
    await clinic.ehr.registers(wrong)
    for exam in (wrong, right):
        await clinic.ehr.orders(exam)
    made = clinic.modality.acquires(await clinic.on_worklist(wrong))
    await clinic.modality.sends(made)
    await clinic.until(wrong, "available")
    await clinic.dictation.reports(wrong, "F")
    await clinic.until(wrong, "delivered")

    known = await clinic.where_is(right)
    assert known is not None
    link = f"/api/storage/studies/{made.study_instance_uid}/link"
    linked = await clinic.http.post(link, json={"order_id": known["order_id"], "reason": "the wrong line was picked"})
    assert linked.status_code == 200

    found = await clinic.until(right, "delivered", within=60)
    assert found["study_instance_uids"] == [made.study_instance_uid]
    assert [result.status for result in clinic.ehr.results(right)] == ["F"]
    await eventually(lambda: len(clinic.ehr.results(wrong)) == 2, within=30, what="the EHR is told what is wrong")
    withdrawn = Message.parse(clinic.ehr.results(wrong)[-1].raw)
    assert {obx.get(11) for obx in withdrawn.segments("OBX")} == {"W"}

    async def waits_under_its_own_uid() -> bool:
        return bool((await clinic.on_worklist(wrong, within=30)).dataset.StudyInstanceUID != made.study_instance_uid)

    await eventually(waits_under_its_own_uid, within=30, what="the worklist has it again, as another study")
    waiting = await clinic.until(wrong, "scheduled")
    assert waiting["report"] is None
    again = await clinic.modality.performs(wrong)
    await clinic.until(wrong, "available")
    await clinic.dictation.reports(wrong, "F", "Nothing new.")
    answer = await clinic.until(wrong, "delivered", within=60)
    assert answer["study_instance_uids"] == [again.study_instance_uid]
