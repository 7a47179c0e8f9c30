"""Images that carry the number of somebody else's order are in nobody's record until a person says whose they are."""

from datetime import date

import httpx
import pytest
from fj_fhir import check
from fj_testing import Feed, Services, eventually

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.ordered import a_patient

pytestmark = pytest.mark.servers


async def test_images_of_somebody_else_than_the_order_is_for_are_in_nobodys_record(
    services: Services, feed: Feed
) -> None:
    exam = Exam("F4", patient=a_patient("P4", "Doubted", "Dora", date(1960, 1, 1)))

    async def shows(subject: str, found: int) -> bool:
        answer = await http.get(f"/ImagingStudy/{exam.uid}")
        entries = (await http.get("/ImagingStudy", params={"patient": str(exam.patient_id)})).json().get("entry", [])
        return answer.status_code == 200 and (subject in str(answer.json()["subject"]), len(entries)) == (True, found)

    async with httpx.AsyncClient(base_url=f"{services.start('ehr_sync').http}/fhir") as http:
        await feed.publish(exam.registered(), exam.placed(), exam.received(), exam.unmatched("name", "sex"))
        await eventually(lambda: shows("unconfirmed", 0), within=20, what="the study in nobody's record")
        study = (await http.get(f"/ImagingStudy/{exam.uid}")).json()
        check("ImagingStudy", study)
        assert (study["subject"].get("reference"), study["subject"].get("identifier")) == (None, None)
        await feed.publish(exam.relinked(exam.order_id).model_copy(update={"patient_id": exam.patient_id}))
        await eventually(lambda: shows("Doubted", 1), within=20, what="the study in its patient's record")
