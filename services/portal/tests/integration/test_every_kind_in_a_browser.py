"""One entry of each kind in a real browser, looked at and dealt with by keyboard; pictures stay in `artefacts/`."""

import json
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import pytest
from fj_events import (
    Damage,
    ExamPutBack,
    Fact,
    ObjectRef,
    PatientPhi,
    PatientRegistered,
    Source,
    StudyDamaged,
    StudyRemovalDelayed,
    WorkGivenUp,
    WorkKind,
    from_body,
)
from fj_testing import Feed, ServiceProcess, eventually
from playwright.async_api import Page, expect
from portal_service.domain.exceptions import Kind

from services.portal.tests.integration.test_dismissing import knows
from services.portal.tests.integration.test_exceptions import (
    an_order,
    conflicted,
    listed,
    received,
    refused,
    unmatched,
    until,
)
from services.portal.tests.integration.test_exceptions_in_a_browser import (
    ARTEFACTS,
    KNOWN,
    STRANGER,
    Owners,
    owners,
    page,
    portal,
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
__all__ = ["owners", "page", "portal"]
PUT_BACK: Final = Path(__file__).resolve().parents[4] / "libs/events/examples/exam.put_back.v1/0001.json"
DISMISSED: Final = (Kind.UNKNOWN_PATIENT, Kind.WRONG_ENTRY, Kind.DUPLICATE_ACCESSION, Kind.UID_CONFLICT)


def given_up(kind: WorkKind, address: str, **about: str) -> WorkGivenUp:
    work_id = f"room.{kind}.{uuid4().int}"
    return WorkGivenUp(site="MAIN", work_id=work_id, room="room", kind=kind, address=address, **about)


def of_every_kind() -> dict[Kind, tuple[str, list[Fact]]]:
    """The key of an entry, and what puts it on the list."""
    studies = [f"2.25.{uuid4().int}" for _ in range(5)]
    stranger = PatientRegistered(
        site="MAIN", patient_id=uuid4(), provisional=True, source=Source.DIMSE, patient=PatientPhi(family_name="Okafor")
    )
    stored = json.loads(PUT_BACK.read_text("utf-8"))
    put_back = from_body("exam.put_back.v1", json.dumps(stored["body"]).encode())
    assert isinstance(put_back, ExamPutBack)
    number = uuid4().hex[:12].upper()
    first, second = an_order(number, uuid4(), "Lovett"), an_order(number, uuid4(), "Oka")
    damaged = StudyDamaged.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": studies[3],
            "pack": ObjectRef(bucket="b", key="packs/y.tar", size=1, sha256="00" * 32),
            "damage": Damage.MISSING,
            "found_at": "2026-03-02T09:00:00Z",
            "number_of_instances": 3,
            "instances": [f"{studies[3]}.1"],
        }
    )
    delayed = StudyRemovalDelayed.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": studies[4],
            "retirement_id": uuid4(),
            "removal_at": "2026-03-02T09:00:00Z",
            "reason": "ingest has not said yet that it takes what comes of the study for new",
        }
    )
    forward = given_up(
        WorkKind.MPPS, "/api/scheduling/forwards/17", destination="RIS2", reason="N-CREATE, the peer answers 0110H"
    )
    note = given_up(
        WorkKind.REJECTION_NOTE,
        "/api/storage/notes/1/2/3",
        about=studies[0],
        reason="it cannot be read, and may reject images",
    )
    uncompared = given_up(
        WorkKind.SECOND_LOOK,
        f"/api/storage/studies/{studies[1]}/second-look",
        about=studies[1],
        reason="LockNotAvailableError, 12 times",
    )
    change = given_up(WorkKind.EARLY_CHANGE, "/api/order/early/7", reason="XO of PL1 (EHR): its order did not come")
    unordered = given_up(
        WorkKind.APPOINTMENT, "/api/scheduling/unordered/7", reason="4711, booked for 2026-03-03 12:00 UTC"
    )
    message = refused("204")
    return {
        Kind.UNCONFIRMED_STUDY: (studies[0], [received(studies[0]), unmatched(studies[0], "name")]),
        Kind.UNMATCHED_STUDY: (studies[1], [received(studies[1]), unmatched(studies[1])]),
        Kind.WRONG_ENTRY: (put_back.key, [put_back]),
        Kind.DUPLICATE_ACCESSION: (str(second.order_id), [first, second]),
        Kind.UNKNOWN_PATIENT: (stranger.key, [stranger]),
        Kind.REFUSED_MESSAGE: (message.key, [message]),
        Kind.UID_CONFLICT: (studies[2], [received(studies[2]), conflicted(studies[2])]),
        Kind.DAMAGED_STUDY: (studies[3], [received(studies[3]), damaged]),
        Kind.DELAYED_REMOVAL: (studies[4], [received(studies[4]), delayed]),
        Kind.FAILED_SENDING: (forward.key, [forward]),
        Kind.UNREADABLE_NOTE: (note.key, [note]),
        Kind.FAILED_COMPARISON: (uncompared.key, [uncompared]),
        Kind.CHANGE_NOT_DONE: (change.key, [change]),
        Kind.APPOINTMENT_WITHOUT_ORDER: (unordered.key, [unordered]),
    }


async def shows(page: Page, count: int) -> None:
    """The list has so many entries, as soon as the fact has come back."""

    async def so() -> bool:
        await page.goto("/exceptions")
        return await page.locator("#live tbody tr").count() == count

    await eventually(so, within=30, every=0.5, what=f"{count} entries")


async def links_a_stranger(page: Page, entry: str, afterwards: str, owners: Owners) -> None:
    """Somebody whom only images have named beside whom registration knows by that name."""
    await page.goto(entry)
    known = page.locator("#known details")
    await expect(known).to_have_count(1)
    await expect(known.get_by_role("row", name="Sex")).to_have_class("differs")
    await known.get_by_label("Reason").fill("I asked him")
    await page.screenshot(path=ARTEFACTS / "stranger.png", full_page=True)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(afterwards)
    link = {"patient_id": KNOWN["patient_id"], "linked": "true", "reason": "I asked him"}
    assert owners.posted[-1] == (f"patient/patients/{STRANGER['patient_id']}/links", "tess", link)


async def test_every_kind_has_its_page_and_what_can_be_dismissed_is_put_back(
    portal: ServiceProcess, feed: Feed, page: Page, owners: Owners
) -> None:
    entries = of_every_kind()
    assert set(entries) == set(Kind)
    first, _ = entries[Kind.DUPLICATE_ACCESSION][1]
    ids = {}
    async with httpx.AsyncClient(base_url=portal.http) as http:
        await feed.publish(first)
        await eventually(lambda: knows(http, first.key), within=30, what="the first order of two")
        await feed.publish(*(fact for _, facts in entries.values() for fact in facts if fact is not first))
        for kind, (key, _) in entries.items():
            await until(http, key, kind)
            ids[kind] = (await listed(http, key))[kind]

    await page.goto("/exceptions")
    await page.locator("#user").fill("tess")
    await expect(page.locator("#live tbody tr")).to_have_count(len(Kind))
    await page.screenshot(path=ARTEFACTS / "every-kind.png", full_page=True)
    for kind, event_id in ids.items():
        await page.goto(f"/exceptions/{event_id}")
        await expect(page.get_by_role("heading", level=1)).to_contain_text(kind, ignore_case=True)
        dismiss = page.get_by_role("button", name="Dismiss")
        await expect(dismiss).to_have_count(int(kind in DISMISSED))
        await page.screenshot(path=ARTEFACTS / f"kind-{kind.replace(' ', '-')}.png", full_page=True)

    # An MPPS that RIS2 does not take: what is known of it, and one more attempt.
    await page.goto(f"/exceptions/{ids[Kind.FAILED_SENDING]}")
    await expect(page.locator("#work")).to_contain_text("the peer answers 0110H")
    again = page.locator("form", has=page.get_by_role("button", name="Try it again"))
    await again.get_by_label("Reason").fill("RIS2 is back")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{portal.http}/exceptions")
    assert owners.posted == [("scheduling/forwards/17/repeat", "tess", {"reason": "RIS2 is back"})]

    await links_a_stranger(page, f"/exceptions/{ids[Kind.UNKNOWN_PATIENT]}", f"{portal.http}/exceptions", owners)

    for kind in DISMISSED:
        await page.goto(f"/exceptions/{ids[kind]}")
        form = page.locator("form", has=page.get_by_role("button", name="Dismiss"))
        await form.get_by_label("Reason").fill("looked at")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{portal.http}/exceptions")
    await shows(page, len(Kind) - len(DISMISSED))
    await page.get_by_label("Which").select_option("dismissed")
    await page.get_by_role("button", name="Show").press("Enter")
    await expect(page.locator("#live tbody tr")).to_have_count(len(DISMISSED))
    await page.screenshot(path=ARTEFACTS / "dismissed.png", full_page=True)
    await page.get_by_role("link", name="unknown patient").press("Enter")
    await expect(page.get_by_role("heading", name="Dismissed")).to_be_visible()
    await page.screenshot(path=ARTEFACTS / "put-back.png", full_page=True)
    back = page.locator("form", has=page.get_by_role("button", name="Put it back"))
    await back.get_by_label("Reason").fill("it was a person")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{portal.http}/exceptions")
    await shows(page, len(Kind) - len(DISMISSED) + 1)
    await expect(page.get_by_text("unknown patient back on the list: it was a person")).to_be_visible()
