"""UID conflicts and wrong worklist entries in a real browser: both sides beside each other, dealt with by keyboard.

The owners' doors are played by the test; pictures stay in `artefacts/`, for people to look at.
"""

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import ExamPutBack, MatchRule, StudyMatched, from_body
from fj_testing import Feed, ServiceProcess, eventually
from playwright.async_api import Page, Route, expect

from services.portal.tests.integration.test_exceptions import conflicted, listed, received, until
from services.portal.tests.integration.test_exceptions_in_a_browser import ARTEFACTS, Owners, owners, page, portal

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
__all__ = ["owners", "page", "portal"]
PUT_BACK: Final = Path(__file__).resolve().parents[4] / "libs/events/examples/exam.put_back.v1/0001.json"
EVIL: Final = "<img src=x onerror=document.title='owned'>"
"""What a device may have written, and nobody's browser is to run."""


def kept(revision: int, sender: str, digit: str) -> dict[str, Any]:
    return {
        "revision": revision,
        "calling_ae_title": sender,
        "source": "DIMSE",
        "received_at": f"2026-03-02T09:0{revision}:00Z",
        "size": 524_288 + revision,
        "sha256": digit * 64,
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    }


def attribute(name: str, first: str, other: str) -> dict[str, str]:
    agreement = "agrees" if first == other else "differs"
    return {"keyword": name, "name": name, "agreement": agreement, "first": first, "other": other}


def conflicts(study: str) -> dict[str, Any]:
    """As `storage` answers."""
    beside = {
        "series_instance_uid": f"{study}.1",
        "sop_instance_uid": f"{study}.1.1",
        "instance_number": 3,
        "first": kept(0, "CT1", "a"),
        "other": kept(1, "CT2", "b"),
        "attributes": [
            attribute("Patient ID", "P77", "P12"),
            attribute("Patient's Name", "Okafor^Ben", EVIL),
            attribute("Accession Number", "A1", "A1"),
        ],
        "left_out": 4,
        "pixels": "differs",
        "unreadable": None,
    }
    lost = beside | {"instance_number": 4, "attributes": [], "left_out": 0, "unreadable": "its pack is not there"}
    return {"total": 7, "instances": [beside, lost]}


def patient(number: str, family: str, sex: str = "F") -> dict[str, Any]:
    named = {"id": {"value": number, "issuer": "NORTH"}, "family_name": family, "given_name": "Ada"}
    return named | {"birth_date": "1970-04-01", "sex": sex}


def an_exam(key: str, study: str) -> dict[str, Any]:
    """As `scheduling` answers."""
    chest = {"code": "CTCHEST", "text": "CT chest", "system": "L"}
    step = {
        "step_id": "A1001-1",
        "modality": "CT",
        "station_ae_title": "CT1",
        "starts_at": "2026-03-02T09:15:00Z",
        "protocol": [chest],
    }
    performed = {
        "sop_instance_uid": "2.25.5",
        "status": "DISCONTINUED",
        "study_instance_uid": study,
        "patient": patient("P12", "Lovett"),
        "step_ids": ["A1001-1"],
        "station_ae_title": "CT2",
        "modality": "CT",
        "description": "Head",
        "procedure": [{"code": "CTHEAD", "text": "CT head"}],
        "protocol": [],
        "differs": ["station", "procedure"],
        "started_at": "2026-03-02T09:20:00Z",
        "ended_at": "2026-03-02T09:40:00Z",
        "number_of_instances": 2,
        "discontinuation_reason": {"code": "110514", "text": "Incorrect worklist entry selected"},
    }
    earlier = performed | {"started_at": "2026-03-02T07:00:00Z", "discontinuation_reason": None, "differs": []}
    return {
        "exam_key": key,
        "site": "NORTH",
        "accession_number": {"value": "A1001", "issuer": "NORTH"},
        "study_instance_uid": "2.25.1111",
        "procedure": chest,
        "patient": patient("P12", "Lovett"),
        "steps": [step],
        "performed": [performed, earlier],
    }


def at_station(key: str, start: str, family: str) -> dict[str, Any]:
    return {
        "exam_key": key,
        "starts_at": start,
        "patient": patient("P77", family),
        "procedure": {"code": "CTHEAD", "text": "CT head"},
        "accession_number": {"value": "A1002", "issuer": "NORTH"},
        "state": "SCHEDULED",
    }


async def plays(page: Page, answers: dict[str, Any]) -> list[str]:
    """Owners that answer so to what is looked up there; what was looked up, with what was asked for."""
    asked: list[str] = []

    async def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if route.request.method == "GET" and path in answers:
            asked.append(route.request.url)
            await route.fulfill(json=answers[path])
        else:
            await route.fallback()

    await page.route("**/api/**", answer)
    return asked


async def says_who(page: Page) -> None:
    await page.goto("/exceptions")
    await page.locator("#user").fill("tess")


async def test_both_instances_of_a_uid_are_compared_and_one_is_hidden_or_all_are_settled(
    portal: ServiceProcess, feed: Feed, page: Page, owners: Owners
) -> None:
    study = f"2.25.{uuid4().int}"
    await feed.publish(received(study), conflicted(study))
    async with httpx.AsyncClient(base_url=portal.http) as http:
        await until(http, study, "UID conflict")
        event_id = (await listed(http, study))["UID conflict"]
    address = f"/api/storage/studies/{study}/conflicts"
    await plays(page, {address: conflicts(study)})
    await says_who(page)
    await page.goto(f"/exceptions/{event_id}")
    both = page.locator("#conflicts details")
    await expect(both).to_have_count(2)
    first = both.first
    await expect(first.get_by_role("row", name="Patient ID")).to_contain_text("P77P12differs")
    await expect(first.get_by_role("row", name="Sender")).to_contain_text("CT1, by DIMSECT2, by DIMSEdiffers")
    await expect(first.get_by_role("row", name="SHA-256")).to_contain_text("a" * 64 + "b" * 64)
    await expect(first.get_by_role("row", name="Size")).to_contain_text("524,288 bytes524,289 bytesdiffers")
    await expect(first.get_by_role("row", name="Pixel data")).to_have_class("differs")
    await expect(first.get_by_role("row", name="Accession Number")).to_have_class("agrees")
    await expect(first.get_by_role("row", name="Patient's Name")).to_contain_text(EVIL)
    await expect(page).to_have_title("UID conflict · Filmjacket")
    await expect(first).to_contain_text("4 more attributes differ")
    await expect(page.get_by_text("5 more of them.")).to_be_visible()
    await both.last.locator("summary").press("Enter")
    await expect(both.last).to_contain_text("its pack is not there")
    await page.screenshot(path=ARTEFACTS / "uid-conflict.png", full_page=True)

    await first.get_by_label("Why it is not to be used").select_option("113037")
    await first.get_by_label("Reason").fill("it shows somebody else")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("It is hidden; its bytes are kept.")).to_be_visible()
    hidden = {"series": f"{study}.1", "instances": [f"{study}.1.1"]}
    why = {"code": "113037", "reason": "it shows somebody else"}
    assert owners.posted == [(f"storage/studies/{study}/reject", "tess", hidden | why)]

    stay = page.locator("form", has=page.get_by_role("button", name="The first stay"))
    await stay.get_by_label("Reason").fill("asked CT2")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{portal.http}/exceptions")
    assert owners.posted[1:] == [(f"{address.removeprefix('/api/')}/settle", "tess", {"reason": "asked CT2"})]


def put_back() -> ExamPutBack:
    """The wrong entry of an order of its own."""
    stored = json.loads(PUT_BACK.read_text("utf-8"))["body"]
    order_id = str(uuid4())
    fact = from_body("exam.put_back.v1", json.dumps(stored | {"exam_key": order_id, "order_id": order_id}).encode())
    assert isinstance(fact, ExamPutBack)
    return fact


def matched(study: str, order_id: UUID) -> StudyMatched:
    return StudyMatched.model_validate(
        {
            "site": "NORTH",
            "study_instance_uid": study,
            "order_id": order_id,
            "patient_id": uuid4(),
            "accession_number": {"value": "A1001", "issuer": "NORTH"},
            "matched_by": MatchRule.ACCESSION,
            "reason": "the same accession number",
            "ordered_study_instance_uid": "2.25.1111",
        }
    )


async def test_what_was_scheduled_stands_beside_what_was_performed_and_the_images_are_linked_to_a_neighbour(
    portal: ServiceProcess, feed: Feed, page: Page, owners: Owners
) -> None:
    fact, study = put_back(), f"2.25.{uuid4().int}"
    neighbour, far = str(uuid4()), str(uuid4())
    async with httpx.AsyncClient(base_url=portal.http) as http:
        await feed.publish(matched(study, fact.order_id), fact)
        await until(http, fact.key, "wrong worklist entry")
        event_id = (await listed(http, fact.key))["wrong worklist entry"]
        await until_linked(http, study, fact.exam_key)
    images = {
        "study_instance_uid": study,
        "patient": patient("P12", "Lovett"),
        "accession_number": {"value": "A1001", "issuer": "NORTH"},
        "description": "CT head",
        "modalities": ["CT"],
        "received_at": "2026-03-02T09:21:00Z",
        "number_of_instances": 3,
    }
    entries = [
        at_station(far, "2026-03-03T09:30:00Z", "Toolate"),
        at_station(fact.exam_key, "2026-03-02T09:15:00Z", "Lovett"),
        at_station(neighbour, "2026-03-02T09:30:00Z", "Okafor"),
    ]
    answers = {
        f"/api/scheduling/exams/{fact.exam_key}": an_exam(fact.exam_key, study),
        f"/api/storage/studies/{study}": images,
        "/api/scheduling/agenda": {"steps": entries},
    }
    asked = await plays(page, answers)
    await says_who(page)
    await page.goto(f"/exceptions/{event_id}")
    table = page.locator("#performed")
    await expect(table.get_by_role("row", name="Station")).to_contain_text("CT1CT2–differs")
    await expect(table.get_by_role("row", name="Procedure")).to_contain_text("CT chestCT headCT headdiffers")
    await expect(table.get_by_role("row", name="Name")).to_contain_text("Lovett, AdaLovett, AdaLovett, Adaagrees")
    await expect(table.get_by_role("row", name="Instances")).to_contain_text("–23differs")
    await expect(table.get_by_role("row", name="Reason")).to_contain_text("Incorrect worklist entry selected")
    others = page.locator("#neighbours tbody tr")
    await expect(others).to_have_count(1)
    await expect(others).to_contain_text("Okafor, Ada")
    assert "station=CT2&site=NORTH&day=2026-03-01&days=3" in next(url for url in asked if "agenda" in url)
    await expect(page.locator(".candidates details")).to_have_count(1)
    await page.screenshot(path=ARTEFACTS / "wrong-entry.png", full_page=True)

    await others.get_by_label("Reason").fill("the next in line was taken")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{portal.http}/exceptions")
    link = {"order_id": neighbour, "reason": "the next in line was taken"}
    assert owners.posted == [(f"storage/studies/{study}/link", "tess", link)]


async def until_linked(http: httpx.AsyncClient, study: str, exam_id: str) -> None:
    """The study is that exam's."""

    async def so() -> bool:
        answer = await http.get(f"/api/portal/exams/{study}")
        return bool(answer.status_code == httpx.codes.OK and answer.json()["exam_id"] == exam_id)

    await eventually(so, within=30, what="the study with its exam")
