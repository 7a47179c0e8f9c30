"""The Patients of one person point to each other while their numbers are linked, and to those merged into them."""

from collections.abc import AsyncIterator
from itertools import permutations
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
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
    unmerged,
)

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.ordered import a_patient

if TYPE_CHECKING:
    from fj_events import Fact

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def service(services: Services) -> ServiceProcess:
    return services.start("ehr_sync", EHR_SYNC_READ_PATIENCE_SECONDS="0.1")


@pytest.fixture
async def http(service: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{service.http}/fhir") as client:
        yield client


def three(prefix: str) -> list[Exam]:
    return [Exam(f"{prefix}{letter}", patient=a_patient(f"{prefix}{letter}", "Example")) for letter in "ABC"]


async def points(http: httpx.AsyncClient, wanted: dict[UUID, dict[UUID, str]]) -> dict[UUID, str]:
    """Each of these Patients comes to point to these others, each in this way. The version of each."""
    versions = dict[UUID, str]()

    async def as_wanted() -> bool:
        for patient_id, others in wanted.items():
            body = (await http.get(f"/Patient/{patient_id}")).json()
            said = {link["other"]["reference"]: link["type"] for link in body.get("link", [])}
            if "meta" not in body or said != {f"Patient/{other}": kind for other, kind in others.items()}:
                return False
            versions[patient_id] = body["meta"]["versionId"]
        return True

    await eventually(as_wanted, within=20, what=f"{wanted}")
    return versions


@pytest.mark.parametrize("first", ["link", "patients"])
async def test_linked_patients_see_each_other_until_the_link_ends(
    http: httpx.AsyncClient, feed: Feed, log: Log, first: str
) -> None:
    exams = three(f"L{first[0]}")
    one, other, third = (exam.patient_id for exam in exams)
    known: list[Fact] = [exam.registered() for exam in exams]
    links: list[Fact] = [*joined(one, other)]
    facts = [*links, *known] if first == "link" else [*known, *links]
    causes = await feed.publish(*facts)
    cause = causes[facts.index(links[0])]
    await feed.repeat(links[0], cause)
    linked = await points(http, {one: {other: "seealso"}, other: {one: "seealso"}, third: {}})
    assert await has_followed_link(log, "ehr_sync", cause.id) == min(one, other)

    apart, *_ = await feed.publish(*parted(one, other))
    ended = await points(http, {one: {}, other: {}, third: {}})
    assert await has_followed_link(log, "ehr_sync", apart.id) == one
    assert linked[one] != ended[one]
    assert linked[third] == ended[third]


@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_a_survivor_replaces_the_merged_number_and_sees_whom_that_was_linked_to_in_any_order(
    http: httpx.AsyncClient, feed: Feed, order: tuple[int, ...]
) -> None:
    exams = three("M" + "".join(map(str, order)))
    gone, survivor, linked = (exam.patient_id for exam in exams)
    merge = merged((gone, exams[0].who), (survivor, exams[1].who))
    steps: list[list[Fact]] = [[exam.registered() for exam in exams], [merge], [*joined(gone, linked)]]
    for step in order:
        await feed.publish(*steps[step])
    before = {gone: {survivor: "replaced-by"}, survivor: {gone: "replaces", linked: "seealso"}}
    await points(http, {**before, linked: {survivor: "seealso"}})
    await feed.publish(unmerged(merge))
    await points(http, {gone: {linked: "seealso"}, survivor: {}, linked: {gone: "seealso"}})


async def test_who_leaves_a_person_of_three_numbers_is_no_longer_pointed_to(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    exams = three("T")
    first, second, third = sorted(exam.patient_id for exam in exams)
    await feed.publish(*(exam.registered() for exam in exams), *joined(first, second, third))
    see = "seealso"
    await points(
        http,
        {first: {second: see, third: see}, second: {first: see, third: see}, third: {first: see, second: see}},
    )
    # The smallest one goes: the second one is its own person's, and the third one is told that.
    [third_told] = [each.model_copy(update={"enterprise_id": second}) for each in parted(third)]
    await feed.publish(*parted(first), *parted(second), third_told)
    await points(http, {first: {}, second: {third: see}, third: {second: see}})
