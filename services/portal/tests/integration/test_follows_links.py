"""Exams are found under all numbers of a person while these are linked, for whoever asks so."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import ClinicalPhi, CodedConcept, Fact, Identifier, OrderPlaced, Priority, Source
from fj_testing import (
    Feed,
    Log,
    ServiceProcess,
    Services,
    eventually,
    has_followed_link,
    joined,
    merged,
    parted,
    person,
)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def portal(services: Services) -> ServiceProcess:
    return services.start("portal")


@pytest.fixture
async def http(portal: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=portal.http) as client:
        yield client


class Numbers:
    """Numbers of somebody, by a letter; each has an exam, whose accession number is the number."""

    def __init__(self, prefix: str) -> None:
        self.ids: dict[str, UUID] = {letter: uuid4() for letter in "ABC"}
        self.prefix = prefix

    def order(self, letter: str) -> OrderPlaced:
        return OrderPlaced(
            site="MAIN",
            order_id=uuid4(),
            patient_id=self.ids[letter],
            accession_number=Identifier(value=self.prefix + letter, issuer="MAIN"),
            study_instance_uid=f"2.25.{uuid4().int}",
            requested_procedure_id="RP",
            procedure=CodedConcept(code="CTCHEST"),
            priority=Priority.ROUTINE,
            source=Source.HL7,
            patient=person(self.prefix + letter, "Example"),
            clinical=ClinicalPhi(),
        )


async def shows(http: httpx.AsyncClient, numbers: Numbers, asked: str, wanted: str, *, linked: bool = True) -> None:
    """Under a number are found the exams of these."""
    query: dict[str, str | bool] = {"patient_id": numbers.prefix + asked, "linked": linked}

    async def as_wanted() -> bool:
        exams = (await http.get("/api/portal/exams", params=query)).json()["exams"]
        return {exam["accession_number"] for exam in exams} == {numbers.prefix + letter for letter in wanted}

    await eventually(as_wanted, within=20, what=f"{wanted} under {asked}")


@pytest.mark.parametrize("first", ["link", "orders"])
async def test_exams_of_linked_numbers_are_found_under_each_until_the_link_ends(
    http: httpx.AsyncClient, feed: Feed, log: Log, first: str
) -> None:
    numbers = Numbers(f"L{first}")
    orders: list[Fact] = [numbers.order(letter) for letter in "ABC"]
    links: list[Fact] = [*joined(numbers.ids["A"], numbers.ids["B"])]
    facts = [*links, *orders] if first == "link" else [*orders, *links]
    causes = await feed.publish(*facts)
    cause = causes[facts.index(links[0])]
    await feed.repeat(links[0], cause)
    for asked, wanted in (("A", "AB"), ("B", "AB"), ("C", "C")):
        await shows(http, numbers, asked, wanted)
        await shows(http, numbers, asked, asked, linked=False)
    assert await has_followed_link(log, "portal", cause.id) == min(numbers.ids["A"], numbers.ids["B"])

    apart, *_ = await feed.publish(*parted(numbers.ids["A"], numbers.ids["B"]))
    for asked in "ABC":
        await shows(http, numbers, asked, asked)
    assert await has_followed_link(log, "portal", apart.id) == numbers.ids["A"]


async def test_a_link_of_a_number_that_was_merged_away_leads_to_the_exams_of_the_survivor(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    numbers = Numbers("M")
    gone, survivor = ((numbers.ids[letter], person(f"M{letter}", "Example")) for letter in "AB")
    await feed.publish(*(numbers.order(letter) for letter in "ABC"))
    await feed.publish(*joined(numbers.ids["A"], numbers.ids["C"]), merged(gone, survivor))
    for asked in "ABC":
        await shows(http, numbers, asked, "ABC")
