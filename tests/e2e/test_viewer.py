"""OHIF in a real browser: a CT on the screen, and the patient's earlier study beside it.

A picture of it and how long it took stay in `artefacts/` (`FJ_ARTEFACTS`), for people to look at. The time is no part
of the test: it is that of a browser without a graphics card, on a machine that runs all the servers.
"""

import os
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio
from fj_local import viewer
from fj_simulators import Clinic, an_exam
from playwright.async_api import Locator, Page, async_playwright, expect

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
SLICES: Final = 500
SIDE: Final = 512
"""526 KB a slice, as CT has them."""
PATIENCE_MS: Final = 90_000
ARTEFACTS: Final = Path(os.environ.get("FJ_ARTEFACTS", "artefacts"))
FLAGS: Final = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SHOWN: Final = """(least = 1) => [
  ...document.querySelectorAll('[data-cy=viewport-pane] canvas.cornerstone-canvas')
].filter(canvas => {
  if (!canvas.width || !canvas.height) return false;
  const sample = document.createElement('canvas');
  sample.width = sample.height = 32;
  const context = sample.getContext('2d');
  context.drawImage(canvas, 0, 0, 32, 32);
  const grey = context.getImageData(0, 0, 32, 32).data.filter((_, place) => place % 4 === 0);
  return Math.max(...grey) - Math.min(...grey) > 40;
}).length >= least"""
"""Whether so many viewports show more than one grey. Thumbnails are painted on hidden canvases of the same class."""


@pytest.fixture(scope="module", autouse=True)
def has_viewer() -> None:
    if viewer.installation(print) is None:
        pytest.skip("npm cannot be had, or OHIF not from it: the stack runs without a viewer then, and says so")


@pytest_asyncio.fixture(loop_scope="session")
async def page() -> AsyncIterator[Page]:
    program = shutil.which("chromium")
    assert program is not None, "apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1300, "height": 850})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        await browser.close()


async def test_a_ct_is_shown_and_the_prior_is_listed(clinic: Clinic, page: Page) -> None:
    earlier = an_exam()
    prior = await clinic.plays(earlier, size=256)
    made = await clinic.plays(an_exam(patient=earlier.patient), slices=SLICES, size=SIDE)
    address = f"http://{clinic.doors.host}:{clinic.doors.viewer}/viewer?StudyInstanceUIDs="
    await page.goto(address + prior.study_instance_uid)
    await page.wait_for_function(SHOWN)  # from now on the browser has the application, as at work

    began = time.monotonic()
    await page.goto(address + made.study_instance_uid, wait_until="commit")
    await page.wait_for_function(SHOWN)
    seconds = time.monotonic() - began
    await expect(page.get_by_text("CT chest", exact=True)).to_have_count(2)
    await expect(page.get_by_text(str(SLICES), exact=True).first).to_be_visible()

    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / "viewer.png")
    (ARTEFACTS / "viewer.txt").write_text(f"first image of {SLICES} slices after {seconds:.1f} s\n")


async def test_a_stack_is_scrolled_windowed_measured_and_cut_in_three_planes(clinic: Clinic, page: Page) -> None:
    made = await clinic.plays(an_exam(), slices=60, size=128)
    await page.goto(
        f"http://{clinic.doors.host}:{clinic.doors.viewer}/viewer?StudyInstanceUIDs={made.study_instance_uid}"
    )
    await page.wait_for_function(SHOWN)
    await page.get_by_text("Skip all").first.click()  # the tour that a new browser is given
    pane = by_name(page, "viewport-pane")
    box = await pane.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    await page.mouse.move(x, y)
    await expect(pane).to_contain_text("(1/60)")
    await page.mouse.wheel(0, 100)
    await expect(pane).to_contain_text("(2/60)")

    await expect(pane).to_contain_text(re.compile(r"W:\s*400\s*L:\s*40"))
    await drag(page, (x, y), (x + 80, y + 40))
    await expect(pane).not_to_contain_text(re.compile(r"W:\s*400\s*L:\s*40"))

    await by_name(page, "MeasurementTools-split-button-primary").click()
    await drag(page, (x - 60, y), (x + 60, y))
    await expect(page.locator("svg text").filter(has_text=re.compile(r"\d mm"))).to_have_count(1)

    await by_name(page, "Layout").click()
    await by_name(page, "MPR").click()
    await page.wait_for_function(SHOWN, arg=3)
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / "viewer-mpr.png")


def by_name(page: Page, name: str) -> Locator:
    """The first of OHIF's elements with this name."""
    return page.locator(f"[data-cy={name}]").first


async def drag(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    await page.mouse.move(*begin)
    await page.mouse.down()
    await page.mouse.move(*end, steps=5)
    await page.mouse.up()


async def test_what_the_browser_may_keep(clinic: Clinic) -> None:
    """Hashed files for ever, pages and settings not without asking, though they are dated 1985."""
    async with httpx.AsyncClient(base_url=f"http://{clinic.doors.host}:{clinic.doors.viewer}") as http:
        html = await http.get("/viewer")
        script = re.search(r"/app\.bundle\.[0-9a-f]{16}\.js", html.text)
        assert script is not None
        for path, kept in (("/viewer", "no-cache"), ("/app-config.js", "no-cache"), (script[0], "immutable")):
            answer = await http.head(path)
            assert answer.status_code == 200
            assert kept in answer.headers["cache-control"]
