"""The exceptions list: what somebody has to look at, from the events."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fj_events import (
    ConflictingInstance,
    Identifier,
    MatchRule,
    MessageError,
    MessageRefused,
    MessageSettled,
    ObjectRef,
    SettledAs,
    Source,
    StudyConflicted,
    StudyMatched,
    StudyUnmatched,
)
from fj_testing import Feed, Services, eventually

pytestmark = pytest.mark.servers
STUDY = "1.2.9.1"


def conflicted() -> StudyConflicted:
    return StudyConflicted.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": STUDY,
            "series_instance_uid": "1.2.9.1.1",
            "pack": ObjectRef(bucket="b", key="packs/x.tar", size=1, sha256="00" * 32),
            "source": Source.DIMSE,
            "received_at": "2026-03-02T09:00:00Z",
            "instances": [
                ConflictingInstance(
                    sop_instance_uid="1.2.9.1.1.1",
                    revision=1,
                    sha256="11" * 32,
                    current_sha256="22" * 32,
                    offset=1536,
                    length=10,
                )
            ],
        }
    )


def matched() -> StudyMatched:
    return StudyMatched.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": STUDY,
            "order_id": "00000000-0000-0000-0000-000000000001",
            "patient_id": "00000000-0000-0000-0000-000000000002",
            "accession_number": Identifier(value="A1", issuer="MAIN"),
            "matched_by": MatchRule.ACCESSION,
            "reason": "the same accession number",
            "ordered_study_instance_uid": STUDY,
        }
    )


def refused(code: str) -> MessageRefused:
    return MessageRefused(
        site="MAIN",
        message_id=f"order.{'9f' * 32}",
        room="order",
        kind="ORM^O01",
        control_id="C4711",
        application="EHR",
        facility="NORTH",
        code="AE",
        errors=(MessageError(code=code, segment="ORC", sequence=1, field=2),),
        address=f"/api/order/messages/{'9f' * 32}?control_id=C4711",
    )


async def test_conflicts_and_unmatched_studies_are_listed_until_they_are_none(services: Services, feed: Feed) -> None:
    portal = services.start("portal")
    async with httpx.AsyncClient(base_url=portal.http, timeout=20) as http:

        async def page() -> str:
            return (await http.get("/exceptions")).raise_for_status().text

        async def shows(*words: str) -> bool:
            shown = await page()
            return all(word in shown for word in words)

        assert "There is none" in await page()
        assert 'href="/exceptions"' in (await http.get("/")).text
        unmatched = StudyUnmatched(site="MAIN", study_instance_uid=STUDY, reason="no order fits")
        await feed.publish(unmatched, conflicted(), unmatched)
        await eventually(lambda: shows("UID conflict", "1 instances came again", "unmatched study", f"/exams/{STUDY}"))
        await feed.publish(matched())
        await eventually(lambda: _misses(page, "unmatched study"))
        assert await shows("UID conflict")
        for code in ("101", "204"):
            await feed.publish(refused(code))
        await eventually(lambda: shows("refused message", "ORM^O01 C4711 of EHR/NORTH at order: AE 204 at ORC-2"))
        assert await _misses(page, "101 at ORC-2")
        settled = MessageSettled(
            site="MAIN", message_id=refused("").message_id, room="order", settled_as=SettledAs.ACCEPTED
        )
        await feed.publish(settled)
        await eventually(lambda: _misses(page, "refused message"))


async def _misses(page: Callable[[], Awaitable[str]], words: str) -> bool:
    return words not in await page()
