"""The system page in a real browser: every room says how far behind it is, and what it could not handle."""

import re
import shutil
from typing import Final

import pytest
from fj_events import SERVICES
from fj_simulators import Clinic
from playwright.async_api import async_playwright, expect

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
PATIENCE_MS: Final = 60_000


async def test_every_room_answers_on_the_system_page(clinic: Clinic) -> None:
    program = shutil.which("chromium")
    assert program is not None, "apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"{clinic.doors.http}/system", timeout=PATIENCE_MS)
        for service in SERVICES:
            line = page.locator(f"tr[data-service={service}] td")
            await expect(line.nth(1)).to_have_text("yes", timeout=PATIENCE_MS)
            for column in (2, 3):  # facts behind, dead letters
                await expect(line.nth(column)).to_have_text(re.compile(r"^\d+$"))
        await browser.close()
