"""Legal hold, retirement and recall by the buttons of an exam's page, in a real browser, done by a real `storage`.

Pictures of it stay in `artefacts/` (`FJ_ARTEFACTS`), for people to look at.
"""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest
from fj_events import InstancesForgotten
from fj_testing import S3, Feed, Log, ServiceProcess, Services, eventually
from playwright.async_api import Page, Route, async_playwright, expect

from services.storage.tests.builders import Exam, Packer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
ARTEFACTS: Final = Path(os.environ.get("FJ_ARTEFACTS", "artefacts"))


@pytest.fixture
def storage(services: Services, free_port: Callable[[], int]) -> ServiceProcess:
    return services.start("storage", STORAGE_QUIET_TIME=1, STORAGE_DIMSE_PORT=free_port(), STORAGE_DELETION_DELAY=0)


@pytest.fixture
async def page(services: Services, storage: ServiceProcess) -> AsyncIterator[Page]:
    """The portal's pages; what they post to `storage` goes there, as the gateway would send it."""
    portal = services.start("portal")

    async def forwarded(route: Route) -> None:
        path = route.request.url.split("/api/", 1)[1]
        await route.fulfill(response=await route.fetch(url=f"{storage.http}/api/{path}"))

    program = shutil.which("chromium")
    assert program is not None, "apt-get install chromium"
    ARTEFACTS.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1300, "height": 850}, base_url=portal.http)
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        await page.route("**/api/storage/**", forwarded)
        yield page
        await browser.close()


async def told(log: Log, exam: Exam, type_: str) -> Any:
    about = (exam.study_uid, type_)
    return (await log.wait_for("study-events", where=lambda one: (one.key, one.type) == about, within=30))[-1].body


async def test_a_person_holds_lifts_retires_and_recalls_a_study(
    page: Page, services: Services, feed: Feed, log: Log, s3: S3
) -> None:
    exam = Exam(description="CT chest")
    await feed.publish(await Packer.of(s3).ship(exam, exam.images(2)))
    await told(log, exam, "study.available.v1")
    async with httpx.AsyncClient() as http:

        async def shown() -> bool:
            return (await http.get(f"{page_address(page)}/exams/{exam.study_uid}")).status_code == 200

        await page.goto("/")
        await eventually(shown, within=30)
    await page.goto(f"/exams/{exam.study_uid}")
    kept = page.locator("#keeping")
    await expect(kept).to_contain_text("As long as the rules say.")
    holding, retiring = kept.locator("form[data-act=hold]"), kept.locator("form[data-act=retire]")
    await holding.get_by_label("Reason").fill("court order 12/2026")
    await holding.get_by_role("button").click()
    await expect(page.get_by_text("Say who you are first")).to_be_visible()
    await page.locator("#user").fill("records.officer")
    await page.locator("#user").blur()
    await holding.get_by_role("button").click()
    await expect(kept).to_contain_text("by records.officer: court order 12/2026")
    await expect(retiring).to_have_count(0)
    held = await told(log, exam, "study.held.v1")
    assert (held["actor"], held["reason"]) == ("records.officer", "court order 12/2026")
    await expect(page.locator("#live")).to_contain_text("on hold")
    await page.screenshot(path=ARTEFACTS / "held.png", full_page=True)

    await kept.locator("li").get_by_label("Reason").fill("the case is closed")
    await kept.get_by_role("button", name="Lift the hold").click()
    await expect(retiring).to_be_visible()
    assert (await told(log, exam, "study.hold_lifted.v1"))["reason"] == "the case is closed"

    answers = [False, True]
    page.on("dialog", lambda dialog: dialog.accept() if answers.pop(0) else dialog.dismiss())
    for _ in range(2):
        await retiring.get_by_label("Reason").fill("the patient asked for it")
        await retiring.get_by_role("button").click()
    await expect(kept).to_contain_text("Retired since")
    assert answers == []
    retired = await told(log, exam, "study.retired.v1")
    assert (retired["actor"], retired["reason"]) == ("records.officer", "the patient asked for it")
    await expect(page.locator("#live")).to_contain_text("retired, removed after")
    await page.screenshot(path=ARTEFACTS / "retired.png", full_page=True)
    await kept.locator("li").get_by_label("Reason").fill("it was another one")
    await kept.get_by_role("button", name="Recall").click()
    await expect(kept).to_contain_text("As long as the rules say.")
    assert (await told(log, exam, "study.recalled.v1"))["actor"] == "records.officer"

    answers.append(True)
    await retiring.get_by_label("Reason").fill("now it is")
    await retiring.get_by_role("button").click()
    await expect(kept).to_contain_text("Retired since")
    await is_removed(exam, services, feed, log)
    await expect(kept).to_contain_text("2 instances were removed on")
    await expect(kept.locator("form")).to_have_count(0)
    await expect(page.get_by_role("link", name="Open in the viewer")).to_have_count(0)
    await page.screenshot(path=ARTEFACTS / "removed.png", full_page=True)


async def is_removed(exam: Exam, services: Services, feed: Feed, log: Log) -> None:
    """Its grace ends, and `ingest` takes what comes of it for new."""
    retired = await log.wait_for(
        "study-events", where=lambda one: (one.key, one.type) == (exam.study_uid, "study.retired.v1"), count=2
    )
    about = {key: retired[-1].body[key] for key in ("site", "study_instance_uid", "retirement_id")}
    connection = await asyncpg.connect(services.database("storage"))
    try:
        await connection.execute("UPDATE retirement SET removal_at = now()")
    finally:
        await connection.close()
    await feed.publish(InstancesForgotten(**about))
    await told(log, exam, "study.removed.v1")


def page_address(page: Page) -> str:
    return page.url.rstrip("/")
