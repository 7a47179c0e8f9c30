"""A person moves a study: the exams show where it is, and the exceptions list whether it has an order."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    ExamPutBack,
    Identifier,
    LinkAct,
    MatchRule,
    OrderPlaced,
    PatientPhi,
    Priority,
    Source,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
)
from fj_testing import Feed, Services, eventually

pytestmark = pytest.mark.servers
STUDY = "1.2.9.7"
WRONG, RIGHT = uuid4(), uuid4()


def number(order_id: UUID) -> Identifier:
    return Identifier(value="AWRONG" if order_id == WRONG else "ARIGHT", issuer="MAIN")


def an_order(order_id: UUID) -> OrderPlaced:
    return OrderPlaced(
        site="MAIN",
        order_id=order_id,
        patient_id=uuid4(),
        accession_number=number(order_id),
        study_instance_uid=f"2.25.{order_id.int}",
        requested_procedure_id="1",
        procedure=CodedConcept(code="CTCHEST"),
        priority=Priority.ROUTINE,
        source=Source.HL7,
        patient=PatientPhi(),
        clinical=ClinicalPhi(),
    )


def matched() -> StudyMatched:
    return StudyMatched(
        site="MAIN",
        study_instance_uid=STUDY,
        order_id=WRONG,
        patient_id=uuid4(),
        accession_number=number(WRONG),
        matched_by=MatchRule.ACCESSION,
        reason="the same accession number",
        ordered_study_instance_uid="2.25.1",
    )


def relinked(before: UUID | None, after: UUID | None, act: LinkAct = LinkAct.LINK) -> StudyRelinked:
    return StudyRelinked(
        site="MAIN",
        actor="tess",
        study_instance_uid=STUDY,
        previous_order_id=before,
        order_id=after,
        act=act,
        reason="the wrong line",
    )


def put_back() -> ExamPutBack:
    return ExamPutBack(
        site="MAIN",
        exam_key=str(WRONG),
        order_id=WRONG,
        accession_number=number(WRONG),
        study_instance_uid="2.25.1",
        requested_procedure_id="1",
        procedure=CodedConcept(code="CTCHEST"),
        priority=Priority.ROUTINE,
        steps=(),
        reason="a person linked its images to another order",
        step_ids=(),
        state="SCHEDULED",
    )


async def test_a_study_moves_between_exams(services: Services, feed: Feed) -> None:
    portal = services.start("portal")
    async with httpx.AsyncClient(base_url=portal.http) as http:

        async def shown(order_id: UUID) -> tuple[str, bool, int]:
            params = {"accession": number(order_id).value}
            [exam] = (await http.get("/api/portal/exams", params=params)).json()["exams"] or [None]
            return (
                (exam["state"], STUDY in exam["study_instance_uids"], len(exam["timeline"])) if exam else ("", False, 0)
            )

        async def shows(wrong: Any, right: Any) -> None:
            async def both() -> bool:
                return (await shown(WRONG), await shown(RIGHT)) == (wrong, right)

            await eventually(both, within=20, what=f"{wrong} and {right}")

        async def lists() -> bool:
            return f"/exams/{STUDY}" in (await http.get("/exceptions")).text

        received = {"site": "MAIN", "study_instance_uid": STUDY, "patient": {}, "received_at": "2026-03-02T09:00:00Z"}
        await feed.publish(an_order(WRONG), an_order(RIGHT), StudyReceived.model_validate(received), matched())
        await shows(("in_progress", True, 3), ("ordered", False, 1))

        link = relinked(WRONG, RIGHT)
        [envelope] = await feed.publish(link)
        await feed.repeat(link, envelope)
        await shows(("in_progress", False, 3), ("in_progress", True, 2))
        await feed.publish(put_back())
        await shows(("scheduled", False, 4), ("in_progress", True, 2))

        await feed.publish(relinked(RIGHT, None, LinkAct.UNLINK))
        await eventually(lists, within=20, what="the study on the list")
        [entry] = (await http.get("/api/portal/exceptions", params={"kind": "unmatched study"})).json()["exceptions"]
        exception = (await http.get(f"/exceptions/{entry['event_id']}")).text
        assert all(f'data-post="/api/storage/studies/{STUDY}/{act}"' in exception for act in ("link", "undo"))
        await shows(("scheduled", False, 4), ("in_progress", False, 2))
        await feed.publish(relinked(None, RIGHT))
        await shows(("scheduled", False, 4), ("in_progress", True, 4))
        page = (await http.get(f"/exams/{RIGHT}")).text
        assert "the wrong line" in page
        assert all(f'data-post="/api/storage/studies/{STUDY}/{act}"' in page for act in ("link", "unlink", "undo"))
        assert not await lists()
