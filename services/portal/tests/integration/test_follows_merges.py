"""Every answer about an exam speaks of the survivor, whenever the merge came; after an unmerge of the number itself."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Identifier,
    OrderPlaced,
    PatientPhi,
    PatientRegistered,
    Priority,
    Source,
)
from fj_testing import (
    Feed,
    Log,
    ServiceProcess,
    Services,
    eventually,
    has_followed,
    merged,
    moved_with,
    person,
    unmerged,
    visits_followed,
)

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def portal(services: Services) -> ServiceProcess:
    return services.start("portal")


@pytest.fixture
async def http(portal: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=portal.http) as client:
        yield client


class Two:
    """A number that is merged away, and the survivor."""

    def __init__(self) -> None:
        self.n = next(NUMBERS)
        self.old = (uuid4(), person(f"OLD{self.n}", "Unknown"))
        self.survivor = (uuid4(), person(f"NEW{self.n}", "Example"))

    def order(self, whose: tuple[UUID, PatientPhi], accession: str) -> OrderPlaced:
        return OrderPlaced(
            site="MAIN",
            order_id=uuid4(),
            patient_id=whose[0],
            accession_number=Identifier(value=f"{accession}{self.n}", issuer="MAIN"),
            study_instance_uid=f"2.25.{uuid4().int}",
            requested_procedure_id="RP",
            procedure=CodedConcept(code="CTCHEST"),
            priority=Priority.ROUTINE,
            source=Source.HL7,
            patient=whose[1],
            clinical=ClinicalPhi(),
        )


async def under(http: httpx.AsyncClient, number: str) -> dict[str, str]:
    """Accession numbers of the exams that are found under a number, each with the number and name that it shows."""
    found: list[dict[str, Any]] = (await http.get("/api/portal/exams", params={"patient_id": number})).json()["exams"]
    return {e["accession_number"]: f"{e['patient']['id']} {e['patient']['family_name']}" for e in found}


async def shows(http: httpx.AsyncClient, number: str, wanted: dict[str, str]) -> None:
    async def as_wanted() -> bool:
        return await under(http, number) == wanted

    await eventually(as_wanted, within=20, what=f"{wanted} under {number}")


@pytest.mark.parametrize("first", ["merge", "order"])
async def test_exams_of_a_merged_number_are_the_survivors(
    http: httpx.AsyncClient, feed: Feed, log: Log, first: str
) -> None:
    two = Two()
    merge = merged(two.old, two.survivor)
    facts = [merge, two.order(two.old, "A")]
    if first == "order":
        facts.reverse()
    for fact in facts:
        [envelope] = await feed.publish(fact)
        if fact is merge:
            cause = envelope
            await feed.repeat(fact, envelope)
    await feed.publish(two.order(two.survivor, "B"))
    both = {f"A{two.n}": f"NEW{two.n} Example", f"B{two.n}": f"NEW{two.n} Example"}
    await shows(http, f"NEW{two.n}", both)
    await shows(http, f"OLD{two.n}", both)
    assert await has_followed(log, "portal", cause.id) == [str(two.survivor[0])]

    [cause] = await feed.publish(unmerged(merge))
    await shows(http, f"NEW{two.n}", {f"B{two.n}": f"NEW{two.n} Example"})
    await shows(http, f"OLD{two.n}", {f"A{two.n}": f"OLD{two.n} Unknown"})
    assert await has_followed(log, "portal", cause.id) == [str(two.old[0])]


async def test_a_survivor_is_shown_as_registered_now(http: httpx.AsyncClient, feed: Feed) -> None:
    two = Two()
    renamed = person(f"NEW{two.n}", "Sample")
    await feed.publish(two.order(two.old, "A"), merged(two.old, two.survivor))
    await feed.publish(
        PatientRegistered(
            site="MAIN", patient_id=two.survivor[0], provisional=False, source=Source.HL7, patient=renamed
        )
    )
    await shows(http, f"OLD{two.n}", {f"A{two.n}": f"NEW{two.n} Sample"})


async def test_a_number_that_somebody_else_has_now_brings_nothing_of_the_former_one(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    two = Two()
    given_away = datetime.now(UTC)
    await feed.publish(two.order(two.old, "C"), time=given_away + timedelta(minutes=1))
    await feed.publish(two.order(two.old, "A"), time=given_away - timedelta(minutes=1))
    await feed.publish(merged(two.old, two.survivor, until=given_away))
    await shows(http, f"NEW{two.n}", {f"A{two.n}": f"NEW{two.n} Example"})
    await shows(http, f"OLD{two.n}", {f"C{two.n}": f"OLD{two.n} Unknown"})


async def test_an_exam_that_goes_with_its_visit_is_followed_and_that_is_said_once(
    http: httpx.AsyncClient, feed: Feed, log: Log
) -> None:
    two, visit_id = Two(), uuid4()
    order = two.order(two.old, "A")
    moved = moved_with(visit_id, order, two.survivor)
    _, cause = await feed.publish(order, moved)
    await feed.repeat(moved, cause)
    assert await visits_followed(log, "portal", cause.id) == [str(visit_id)]
    assert await under(http, f"NEW{two.n}") == {f"A{two.n}": f"NEW{two.n} Example"}
    assert await under(http, f"OLD{two.n}") == {}
