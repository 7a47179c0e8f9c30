"""A person at the desk and one at the machine, in a real browser: booked, moved, told of a conflict, begun, done."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from fj_simulators import Clinic, Exam, an_exam
from playwright.async_api import Locator, Page, Route, async_playwright, expect

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
PATIENCE_MS: Final = 60_000
ARTEFACTS: Final = Path(os.environ.get("FJ_ARTEFACTS", "artefacts"))
DAY: Final = (datetime.now(UTC) + timedelta(days=20)).date()
"""Nothing of other tests stands on it."""
QUIET_DAY: Final = DAY + timedelta(days=14)
"""Nobody is booked in its week."""


@pytest_asyncio.fixture(loop_scope="session")
async def page() -> AsyncIterator[Page]:
    program = shutil.which("chromium")
    assert program is not None, "apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        await browser.close()


async def planned(clinic: Clinic, exam: Exam) -> str:
    """The key of an exam that is planned."""
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    await clinic.on_worklist(exam)
    return str((await clinic.until(exam, "scheduled"))["order_id"])


async def does(clinic: Clinic, key: str, act: str, hour: int) -> None:
    at = datetime(DAY.year, DAY.month, DAY.day, hour, tzinfo=UTC)
    body = {"starts_at": at.isoformat(), "station_ae_title": "CT1"}
    answer = await clinic.http.post(f"/api/scheduling/exams/{key}/{act}", json=body)
    answer.raise_for_status()


async def opened(clinic: Clinic, page: Page, name: str, day: date = DAY) -> None:
    await page.goto(f"{clinic.doors.http}/{name}?station=CT1&day={day}")
    await page.fill("#user", "rita")
    await page.locator("#user").blur()


async def test_a_week_is_looked_at_booked_moved_and_a_conflict_is_told(clinic: Clinic, page: Page) -> None:
    my_exam = an_exam()
    mine, theirs = await planned(clinic, my_exam), await planned(clinic, an_exam())
    await does(clinic, mine, "book", 9)
    await opened(clinic, page, "week")
    shown = page.locator(".step.booked")
    await expect(shown).to_have_count(1)
    await shown.click()
    await expect(page.locator("#chosen h3")).to_have_text("Move to")

    # Somebody else takes the slot that the page still offers.
    offered = page.locator("#chosen .offers button").first
    wanted = await offered.text_content()
    first = (await clinic.http.get(f"/api/scheduling/exams/{mine}/slots", params={"after": f"{DAY}T00:00:00Z"})).json()
    taken = {"starts_at": first["slots"][0]["starts_at"], "station_ae_title": "CT1"}
    (await clinic.http.post(f"/api/scheduling/exams/{theirs}/book", json=taken)).raise_for_status()
    await offered.click()
    await expect(page.locator("#notice.bad")).to_have_text("the station is taken at that time")
    instead = page.locator("#chosen .offers.refused")
    await expect(instead.locator("h3")).to_contain_text("Free instead")
    assert await instead.locator("button").first.text_content() != wanted
    await instead.locator("button").first.click()
    await expect(page.locator("#notice")).to_contain_text("Booked:")
    await expect(page.locator(".step.booked")).to_have_count(2)
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / "week.png")

    cancel = page.locator("#chosen form.deed").filter(has_text="Cancel the appointment")
    await cancel.locator("input").fill("the tube is broken")
    await cancel.locator("button").click()
    await expect(page.locator("#notice")).to_contain_text("waits for another one")
    # The waiting list may have found the next free time already: the timeline keeps why there is another one.
    answer = await clinic.until_fact(my_exam, "exam.waitlisted.v1")
    assert "waits for a slot: the tube is broken" in [entry["summary"] for entry in answer["timeline"]]


async def test_a_station_is_held_blocked_and_to_be_had_again(clinic: Clinic, page: Page) -> None:
    mine = an_exam()
    booked = await planned(clinic, mine)
    await opened(clinic, page, "week", QUIET_DAY)
    await page.locator(".open").first.click(position={"x": 100, "y": 60})
    form = page.locator("#block")
    starts = await form.locator("[name=starts_at]").input_value()
    await expect(form.locator("[name=reason]")).to_be_focused()
    await page.keyboard.type("held for emergencies")
    await page.keyboard.press("Enter")
    block = page.locator("button.block")
    await expect(block).to_have_text("held for emergencies (rita)")
    at = await page.evaluate("([zone, wall]) => instantOf(zone, wall).toISOString()", [await zone(page), starts])
    body = {"starts_at": at, "station_ae_title": "CT1"}
    taken = await clinic.http.post(f"/api/scheduling/exams/{booked}/book", json=body)
    assert taken.status_code == 409
    await page.screenshot(path=ARTEFACTS / "blocked.png")
    await block.click()
    await page.get_by_role("button", name="Lift the block").press("Enter")
    await expect(block).to_have_count(0)

    (await clinic.http.post(f"/api/scheduling/exams/{booked}/book", json=body)).raise_for_status()
    await expect(page.locator(".step.booked")).to_have_count(1)
    await blocks(page, starts, "the tube is changed")
    await expect(page.locator("#notice.bad")).to_contain_text("somebody is booked")
    await form.get_by_label("Whoever is booked waits").check()
    await blocks(page, starts, "the tube is changed")
    await expect(block).to_have_text("the tube is changed (rita)")
    answer = await clinic.until_fact(mine, "exam.waitlisted.v1")
    because = "waits for a slot: CT1 is not to be had: the tube is changed"
    assert because in [entry["summary"] for entry in answer["timeline"]]


async def zone(page: Page) -> str:
    """The time zone in which the page shows times."""
    return str(await page.evaluate("week.agenda.time_zone"))


async def blocks(page: Page, starts: str, reason: str) -> None:
    """An hour, by the form alone."""
    form = page.locator("#block")
    ends = await page.evaluate(
        "([zone, wall]) => wallClock(zone, +instantOf(zone, wall) + 60 * MINUTE)", [await zone(page), starts]
    )
    await form.locator("[name=starts_at]").fill(starts)
    await form.locator("[name=ends_at]").fill(ends)
    await form.locator("[name=reason]").fill(reason)
    await form.get_by_role("button", name="Block").press("Enter")


async def types_while_the_page_looks(page: Page, line: Locator, note: str) -> None:
    """The answer to a look that began before comes when the note is written: the lines are new, the note is there."""
    written = asyncio.Event()

    async def late(route: Route) -> None:
        await written.wait()
        await route.continue_()

    await page.route("**/api/scheduling/agenda?*", late)
    async with page.expect_request("**/api/scheduling/agenda?*"):
        await page.evaluate("void showToday()")
    await line.evaluate("(line) => { line.dataset.old = 'yes' }")
    await line.get_by_placeholder("Note").fill(note)
    written.set()
    await expect(page.locator("#today tr[data-old]")).to_have_count(0)
    await expect(line.get_by_placeholder("Note")).to_have_value(note)
    await page.unroute("**/api/scheduling/agenda?*")


async def loses_the_answer(route: Route) -> None:
    """The request comes to its door and is done; who sent it does not learn that."""
    await route.fetch()
    await route.abort()


async def test_a_day_at_the_station_is_arrived_noted_begun_and_done(clinic: Clinic, page: Page) -> None:
    exam = an_exam()
    key = await planned(clinic, exam)
    await does(clinic, key, "book", 15)
    await opened(clinic, page, "today")
    line = page.locator(f"#today tr[data-exam='{key}']")
    await line.get_by_role("button", name="Arrived").click()
    await expect(line.locator(".state")).to_have_text("arrived")
    await types_while_the_page_looks(page, line, "two pillows")
    await page.route("**/notes", loses_the_answer, times=1)
    await line.get_by_role("button", name="Note").click()
    await expect(page.locator("#notice.bad")).to_be_visible()
    await expect(line.get_by_placeholder("Note")).to_have_value("two pillows")
    await line.get_by_role("button", name="Note").click()
    await expect(line.get_by_placeholder("Note")).to_have_value("")
    await expect(line.locator(".note")).to_contain_text("rita: two pillows")
    await line.get_by_role("button", name="Start").click()
    await expect(line.locator(".state")).to_have_text("started")
    await page.screenshot(path=ARTEFACTS / "today.png")
    await line.get_by_role("button", name="Complete").click()
    await expect(line.locator(".state")).to_have_text("completed")
    answer = await clinic.until_fact(exam, "exam.completed.v1")
    acts = [(entry["type"], entry["summary"]) for entry in answer["timeline"] if entry["service"] == "scheduling"]
    assert acts.count(("exam.noted.v1", "a note")) == 1

    performed = an_exam()
    other = await planned(clinic, performed)
    await does(clinic, other, "book", 16)
    await expect(page.locator(f"#today tr[data-exam='{other}']")).to_be_visible()
    made = clinic.modality.acquires(await clinic.on_worklist(performed), 2, 64)
    await clinic.modality.starts(made, await clinic.on_worklist(performed))
    await expect(page.locator(f"#today tr[data-exam='{other}']")).to_contain_text("MPPS IN PROGRESS")
