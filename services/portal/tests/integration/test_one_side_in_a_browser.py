"""Entries with nothing to lay beside them, in a real browser: the one thing is shown, and what can be done.

The owners' doors are played by the test; pictures stay in `artefacts/`, for people to look at.
"""

from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from fj_events import Damage, ObjectRef, StudyDamaged, StudyRemovalDelayed
from fj_testing import Feed, ServiceProcess
from playwright.async_api import Page, expect

from services.portal.tests.integration.test_exceptions import listed, received, until
from services.portal.tests.integration.test_exceptions_in_a_browser import (
    ARTEFACTS,
    LETTER,
    Owners,
    owners,
    page,
    portal,
)
from services.portal.tests.integration.test_two_sides_in_a_browser import plays, says_who

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
__all__ = ["owners", "page", "portal"]
KEY: Final = "2.25.4711"


def damaged(study: str) -> StudyDamaged:
    return StudyDamaged.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": study,
            "pack": ObjectRef(bucket="b", key="packs/y.tar", size=1, sha256="00" * 32),
            "damage": Damage.MISSING,
            "found_at": "2026-03-02T09:00:00Z",
            "number_of_instances": 3,
            "instances": [f"{study}.1"],
        }
    )


def delayed(study: str) -> StudyRemovalDelayed:
    return StudyRemovalDelayed.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": study,
            "retirement_id": uuid4(),
            "removal_at": "2026-03-02T09:00:00Z",
            "reason": "ingest has not said yet that it takes what comes of the study for new",
        }
    )


def keeping() -> dict[str, Any]:
    """As `storage` answers."""
    retirement = {
        "partial": False,
        "retired_at": "2026-02-01T09:00:00Z",
        "actor": None,
        "rule": "north-ct",
        "reason": "ten years",
        "removal_at": "2026-03-02T09:00:00Z",
    }
    return {"holds": [], "retirement": retirement, "tombstones": []}


async def test_a_dead_letter_shows_its_fact_and_the_exam_that_it_is_about(page: Page, owners: Owners) -> None:
    event_id = str(uuid4())
    letter = LETTER | {"key": KEY, "event_id": event_id, "state": "dead", "attempts": 4, "awaits_kind": None}
    await plays(page, {"/api/storage/dead-letters": {"dead_letters": [letter], "total": 1}})
    await says_who(page)
    fact = page.locator("#dead-letters details")
    await fact.locator("summary").press("Enter")
    await expect(fact).to_contain_text(event_id)
    await expect(fact).to_contain_text("attempts4")
    await expect(fact).not_to_contain_text("awaits")
    await expect(fact.get_by_role("link", name="Its exam")).to_have_attribute("href", f"/exams/{KEY}")
    await page.screenshot(path=ARTEFACTS / "dead-letter.png", full_page=True)


async def test_damaged_packs_are_looked_at_again_and_what_is_to_be_removed_is_recalled(
    portal: ServiceProcess, feed: Feed, page: Page, owners: Owners
) -> None:
    broken, going = (f"2.25.{uuid4().int}" for _ in range(2))
    await feed.publish(received(broken), damaged(broken), received(going), delayed(going))
    async with httpx.AsyncClient(base_url=portal.http) as http:
        await until(http, broken, "damaged study")
        await until(http, going, "delayed removal")
        damage = (await listed(http, broken))["damaged study"]
        delay = (await listed(http, going))["delayed removal"]
    await plays(page, {f"/api/storage/studies/{going}/keeping": keeping()})
    await says_who(page)
    await page.goto(f"/exceptions/{damage}")
    await page.get_by_role("button", name="Look at its packs now").press("Enter")
    await expect(page.get_by_text("Done.")).to_be_visible()
    await page.goto(f"/exceptions/{delay}")
    said = page.locator("#keeping li")
    await expect(said).to_contain_text("by the rule north-ct: ten years. Removed after 2026-03-02.")
    await page.screenshot(path=ARTEFACTS / "delayed-removal.png", full_page=True)
    await said.get_by_label("Reason").fill("it is needed")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Done.")).to_be_visible()
    assert owners.posted == [
        (f"storage/studies/{broken}/verification", "tess", {}),
        (f"storage/studies/{going}/recall", "tess", {"reason": "it is needed"}),
    ]
