"""Patients that may be one person are shown side by side until somebody, or something, has answered."""

from uuid import UUID

import httpx
import pytest
from fj_events import (
    Address,
    DuplicateOutcome,
    Identifier,
    MatchGrade,
    PatientDuplicateDismissed,
    PatientDuplicateResolved,
    PatientDuplicateSuspected,
    PatientPhi,
)
from fj_testing import Feed, Services, eventually

pytestmark = pytest.mark.servers
ONE, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


def suspected(other_id: UUID, score: float, *reasons: str) -> PatientDuplicateSuspected:
    return PatientDuplicateSuspected(
        site="MAIN",
        patient_id=ONE,
        other_id=other_id,
        score=score,
        grade=MatchGrade.PROBABLE,
        reasons=reasons,
        patient=PatientPhi(id=Identifier(value="P1", issuer="GENERAL"), family_name="Example <b>", given_name="Ada"),
        other=PatientPhi(id=Identifier(value="P2", issuer="SOUTH"), address=Address(city="Ulm")),
    )


async def test_pairs_wait_for_an_answer_the_likeliest_first(services: Services, feed: Feed) -> None:
    portal = services.start("portal")
    async with httpx.AsyncClient(base_url=portal.http, timeout=20) as http:

        async def shows(*words: str) -> bool:
            shown = (await http.get("/duplicates")).raise_for_status().text
            places = [shown.find(word) for word in words]
            return -1 not in places and places == sorted(places)

        assert await shows("There is none")
        await feed.publish(suspected(OTHER, 19.5, "sex same"), suspected(THIRD, 25.25, "birth date transposed"))
        link = f'data-post="/api/patient/duplicates/{ONE}/{THIRD}/link"'
        await eventually(lambda: shows("Example &lt;b&gt;, Ada", "25.2", "birth date transposed", link, "19.5"))
        assert "2 pairs of patients may be one person" in (await http.get("/exceptions")).text
        dismissed = PatientDuplicateDismissed(site="MAIN", patient_id=ONE, other_id=OTHER, reason="sisters")
        await feed.publish(dismissed, suspected(OTHER, 30, "phone same"))
        await eventually(lambda: shows("30.0", "phone same", "25.2"))
        for other_id in (OTHER, THIRD):
            outcome = DuplicateOutcome.MERGED
            fact = PatientDuplicateResolved(site="MAIN", patient_id=ONE, other_id=other_id, outcome=outcome)
            await feed.publish(fact)
        await eventually(lambda: shows("There is none"))
        assert "may be one person" not in (await http.get("/exceptions")).text
