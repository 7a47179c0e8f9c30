"""The exceptions page in a real browser: side by side, by keyboard alone; the owners' doors are played by the test.

Pictures of it stay in `artefacts/` (`FJ_ARTEFACTS`), for people to look at.
"""

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from fj_testing import Feed, ServiceProcess, Services, eventually
from playwright.async_api import Page, Route, async_playwright, expect

from services.portal.tests.integration.test_exceptions import listed, received, unmatched, until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
ARTEFACTS: Final = Path(os.environ.get("FJ_ARTEFACTS", "artefacts"))
ORDER: Final = str(uuid4())
CANDIDATE: Final = {
    "order_id": ORDER,
    "score": 85,
    "open": True,
    "procedure": {"code": "CTHEAD", "text": "CT head"},
    "findings": [
        {"criterion": "accession", "agreement": "agrees", "points": 50, "images": "A1^MAIN", "order": "A1^MAIN"},
        {"criterion": "name", "agreement": "differs", "points": -40, "images": "Okafor, Ben", "order": "Lovett, Ada"},
        {"criterion": "birth_date", "agreement": "near", "points": 5, "images": "1970-04-01", "order": "1970-04-11"},
        {"criterion": "station", "agreement": "unknown", "points": 0, "images": "", "order": ""},
    ],
}
LETTER: Final = {
    "id": 7,
    "topic": "study-events",
    "type": "study.matched.v1",
    "sequence": 3,
    "error": "BadFact",
    "detail": "a field is missing",
    "since": "2026-03-02T09:00:00Z",
    "behind": 2,
}


EARLY: Final = {
    "wish_id": 7,
    "control": "CA",
    "placer_order_number": {"value": "PL1", "issuer": "EHR"},
    "site": "MAIN",
    "received_at": "2026-03-02T09:00:00Z",
    "refused": "the exam has started",
}


FORWARD: Final = {
    "forward_id": 17,
    "destination": "RIS2",
    "operation": "N-CREATE",
    "state": "FAILED",
    "received_at": "2026-03-02T09:00:00Z",
    "due_at": None,
    "attempts": 5,
    "last_error": "the peer answers 0110H",
}


STRANGER: Final = {
    "patient_id": str(uuid4()),
    "provisional": True,
    "patient": {"id": {"value": "P77", "issuer": "MAIN"}, "family_name": "Okafor", "given_name": "Ben", "sex": "M"},
}
KNOWN: Final = {
    "patient_id": str(uuid4()),
    "provisional": False,
    "patient": {"id": {"value": "P12", "issuer": "MAIN"}, "family_name": "Okafor", "given_name": "Ben", "sex": "F"},
}


class Owners:
    """The doors of the other rooms, and what was posted to them."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str | None, Any]] = []

    async def answer(self, route: Route) -> None:
        request = route.request
        path = request.url.split("/api/", 1)[1]
        if request.method == "POST":
            self.posted.append((path, request.headers.get("x-fj-user"), json.loads(request.post_data or "{}")))
            await route.fulfill(json={})
        elif path.endswith("/candidates"):
            await route.fulfill(json=[CANDIDATE])
        elif path.startswith("storage/dead-letters"):
            await route.fulfill(json={"dead_letters": [LETTER], "total": 1})
        elif path == "scheduling/forwards/17":
            await route.fulfill(json=FORWARD)
        elif path.startswith("patient/patients?"):
            await route.fulfill(json=[STRANGER, KNOWN])
        elif path.startswith("patient/patients/"):
            await route.fulfill(json=STRANGER)
        elif path == "order/early":
            await route.fulfill(json=[EARLY])
        elif path.endswith("/dead-letters"):
            await route.fulfill(json={"dead_letters": [], "total": 0})
        else:
            await route.fulfill(json=[])


@pytest.fixture
def portal(services: Services) -> ServiceProcess:
    return services.start("portal")


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
async def page(portal: ServiceProcess, owners: Owners) -> AsyncIterator[Page]:
    program = shutil.which("chromium")
    assert program is not None, "apt-get install chromium"
    ARTEFACTS.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1300, "height": 850}, base_url=portal.http)
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        for room in ("storage", "order", "reporting", "patient", "scheduling", "ehr_sync", "triage", "ingest"):
            await page.route(f"**/api/{room}/**", owners.answer)
        yield page
        await browser.close()


async def all_listed(http: httpx.AsyncClient, count: int) -> bool:
    """The list has so many entries: facts of different studies come in any order."""
    return bool((await http.get("/api/portal/exceptions")).json()["total"] == count)


async def test_a_person_compares_and_links_by_keyboard(
    portal: ServiceProcess, feed: Feed, page: Page, owners: Owners
) -> None:
    study = f"2.25.{uuid4().int}"
    others = [unmatched(f"2.25.{uuid4().int}", site="NORTH") for _ in range(200)]
    await feed.publish(*others, received(study), unmatched(study, "name"))
    async with httpx.AsyncClient(base_url=portal.http) as http:
        await until(http, study, "unconfirmed study")
        await eventually(lambda: all_listed(http, len(others) + 1), within=30, what="the studies of the others too")
        event_id = (await listed(http, study))["unconfirmed study"]

    await page.goto("/exceptions")
    await expect(page.get_by_text("201 open")).to_be_visible()
    await expect(page.get_by_role("cell", name="a field is missing")).to_be_visible()
    await expect(page.get_by_role("row", name="CA PL1")).to_contain_text("the exam has started")
    await page.screenshot(path=ARTEFACTS / "exceptions.png")
    await page.get_by_label("Kind").select_option("unconfirmed study")
    await page.get_by_role("button", name="Show").press("Enter")
    await expect(page.get_by_text("1 open")).to_be_visible()
    assert "Okafor" not in page.url
    await page.get_by_role("link", name="unconfirmed study").press("Enter")
    await expect(page).to_have_url(f"{portal.http}/exceptions/{event_id}")
    name = page.get_by_role("row", name="Name")
    await expect(name).to_contain_text("Okafor, BenLovett, Adadiffers")
    await page.screenshot(path=ARTEFACTS / "exception.png", full_page=True)

    reason = page.locator("#candidates").get_by_label("Reason")
    await reason.fill("I asked the ward")
    await reason.press("Enter")
    await expect(page.get_by_text("Say who you are first")).to_be_visible()
    await expect(page.locator("#user")).to_be_focused()
    await page.keyboard.type("tess")
    await page.locator("#user").blur()
    await reason.press("Enter")
    await expect(page).to_have_url(f"{portal.http}/exceptions")
    assert owners.posted == [
        (f"storage/studies/{study}/link", "tess", {"order_id": ORDER, "reason": "I asked the ward"})
    ]


async def test_a_change_that_came_before_its_order_is_tried_again_and_then_dismissed(
    page: Page, owners: Owners
) -> None:
    async def posted(*paths: str) -> bool:
        return [path for path, _, _ in owners.posted] == list(paths)

    await page.goto("/exceptions")
    await page.locator("#user").fill("tess")
    await page.locator("#user").blur()
    table = page.get_by_role("table", name="Messages about orders")
    await table.get_by_role("button", name="Try again").press("Enter")
    again, away = "order/early/7/repeat", "order/early/7/cancel"
    await eventually(lambda: posted(again), within=30, what="the wish to try it again")
    reason = table.get_by_label("Reason")
    await reason.press("Enter")
    assert [path for path, _, _ in owners.posted] == [again]
    await reason.fill("a number of another hospital")
    await reason.press("Enter")
    await eventually(lambda: posted(again, away), within=30, what="that nothing is to be done")
    assert owners.posted[1] == (away, "tess", {"reason": "a number of another hospital"})


async def test_a_person_orders_for_images_and_replays_a_dead_letter(
    portal: ServiceProcess, feed: Feed, page: Page, owners: Owners
) -> None:
    study = f"2.25.{uuid4().int}"
    await feed.publish(received(study), unmatched(study))
    async with httpx.AsyncClient(base_url=portal.http) as http:
        await until(http, study, "unmatched study")
        event_id = (await listed(http, study))["unmatched study"]

    await page.goto("/exceptions")
    await page.locator("#user").fill("tess")
    await page.locator("#user").blur()
    await page.get_by_role("button", name="Replay").press("Enter")
    await page.goto(f"/exceptions/{event_id}")
    await page.get_by_label("Code", exact=True).fill("CTHEAD")
    await page.get_by_role("button", name="Place the order").press("Enter")
    await expect(page).to_have_url(f"{portal.http}/exceptions")
    order = {
        "site": "MAIN",
        "study_instance_uid": study,
        "modality": "CT",
        "procedure": {"code": "CTHEAD", "text": "CT of a head"},
        "patient": {
            "id": {"value": "P77", "issuer": "MAIN"},
            "family_name": "Okafor",
            "given_name": "Ben",
            "sex": "M",
        },
    }
    assert owners.posted == [("storage/dead-letters/7/replay", "tess", {}), ("order/orders", "tess", order)]
