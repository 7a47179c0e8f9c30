"""What FHIR and ORU^R01 say of a merged number is the survivor's, until the merge is undone."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fj_events import Fact, FormerHolder, PatientMerged
from fj_testing import (
    Feed,
    Log,
    ServiceProcess,
    Services,
    eventually,
    has_followed,
    merged,
    moved_with,
    unmerged,
    visits_followed,
)

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.hearing import SOON_AGAIN
from services.ehr_sync.tests.listener import ACCEPT, HANG_UP, Listener
from services.ehr_sync.tests.ordered import a_patient

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def service(services: Services, port: int) -> ServiceProcess:
    return services.start(
        "ehr_sync",
        EHR_SYNC_READ_PATIENCE_SECONDS="0.1",
        EHR_SYNC_HL7_DESTINATIONS=f"ehr=127.0.0.1:{port}/results",
        **SOON_AGAIN,
    )


@pytest.fixture
async def http(service: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{service.http}/fhir") as client:
        yield client


class Two:
    """An exam of a number that is merged away, and one of the survivor."""

    def __init__(self, number: str) -> None:
        self.old = Exam(f"{number}O", patient=a_patient(f"OLD{number}", "Unknown"))
        self.survivor = Exam(f"{number}S", patient=a_patient(f"NEW{number}", "Example"))

    def merge(self, until: datetime | None = None) -> PatientMerged:
        ids = [(exam.patient_id, exam.who) for exam in (self.old, self.survivor)]
        return merged(ids[0], ids[1], until)


async def resources(http: httpx.AsyncClient, query: str) -> dict[str, str]:
    """The ids that are found, each with the name of its subject."""
    entries: list[dict[str, Any]] = (await http.get(f"/{query}")).json().get("entry", [])
    return {e["resource"]["id"]: e["resource"]["subject"].get("display", "") for e in entries}


async def finds(http: httpx.AsyncClient, exam: Exam, wanted: list[tuple[Exam, str]]) -> None:
    """Under the patient of an exam, by id and by number, are these exams, each of somebody of this name."""
    number = f"GENERAL|{exam.who.id.value}" if exam.who.id else ""

    async def as_wanted() -> bool:
        for kind, key in (("ServiceRequest", "order_id"), ("ImagingStudy", "uid"), ("DiagnosticReport", "report_id")):
            expected = {str(getattr(each, key)): name for each, name in wanted}
            for query in (f"patient=Patient/{exam.patient_id}", f"patient.identifier={number}"):
                found = await resources(http, f"{kind}?{query}")
                if {k: v.partition(",")[0] for k, v in found.items()} != expected:
                    return False
        return True

    await eventually(as_wanted, within=20, what=f"{[(e.number, name) for e, name in wanted]} under {number}")


async def patient(http: httpx.AsyncClient, exam: Exam) -> tuple[bool, str | None]:
    """Whether the Patient is in use, and by which it was replaced."""
    body = (await http.get(f"/Patient/{exam.patient_id}")).json()
    links = [(link["type"], link["other"]["reference"]) for link in body.get("link", [])]
    replaced = [other for kind, other in links if kind == "replaced-by"]
    return body["active"], replaced[0] if replaced else None


@pytest.mark.parametrize("first", ["merge", "facts"])
async def test_what_is_known_of_a_merged_number_is_the_survivors(
    http: httpx.AsyncClient, feed: Feed, log: Log, first: str
) -> None:
    two = Two(first)
    old, survivor, merge = two.old, two.survivor, two.merge()
    known: list[Fact] = [
        e for x in (old, survivor) for e in (x.registered(), x.placed(), x.received(), x.matched(), x.finalized())
    ]
    facts = [merge, *known] if first == "merge" else [*known, merge]
    cause = (await feed.publish(*facts))[facts.index(merge)]
    await feed.repeat(merge, cause)
    for exam in (old, survivor):
        await finds(http, exam, [(old, "Example"), (survivor, "Example")])
    assert await patient(http, old) == (False, f"Patient/{survivor.patient_id}")
    assert await patient(http, survivor) == (True, None)
    assert await has_followed(log, "ehr_sync", cause.id) == [str(survivor.patient_id)]

    [undone] = await feed.publish(unmerged(merge))
    await finds(http, old, [(old, "Unknown")])
    await finds(http, survivor, [(survivor, "Example")])
    assert await patient(http, old) == (True, None)
    assert await has_followed(log, "ehr_sync", undone.id) == [str(old.patient_id)]


async def test_who_was_given_the_number_later_is_not_the_survivor(http: httpx.AsyncClient, feed: Feed) -> None:
    two = Two("G")
    old, survivor = two.old, two.survivor
    since = Exam("GN", patient=old.who)
    given_away = datetime.now(UTC)
    earlier, later = given_away - timedelta(minutes=1), given_away + timedelta(minutes=1)
    await feed.publish(since.placed(), since.received(), since.matched(), since.finalized(), time=later)
    await feed.publish(old.placed(), old.received(), old.matched(), old.finalized(), time=earlier)
    await feed.publish(two.merge(given_away), old.registered(), survivor.registered())
    await finds(http, survivor, [(old, "Example")])
    await finds(http, old, [(since, "Unknown")])
    assert await patient(http, old) == (True, None)


async def test_each_holder_of_a_number_has_the_records_of_their_time(http: httpx.AsyncClient, feed: Feed) -> None:
    first, second = Two("E1"), Two("E2")
    number, again = first.old, Exam("E2A", patient=first.old.who)
    ann, bob = first.survivor, second.survivor
    given_away = datetime.now(UTC)
    for exam, minutes in ((number, -1), (again, 1)):
        facts = exam.placed(), exam.received(), exam.matched(), exam.finalized()
        await feed.publish(*facts, time=given_away + timedelta(minutes=minutes))
    await feed.publish(number.registered(), ann.registered(), bob.registered())
    before = FormerHolder(survivor_id=ann.patient_id, until=given_away, survivor=ann.who)
    last = merged((number.patient_id, number.who), (bob.patient_id, bob.who), None, before)
    await feed.publish(first.merge(given_away), last)
    await finds(http, ann, [(number, "Example")])
    await finds(http, bob, [(again, "Example")])

    await feed.publish(unmerged(last).model_copy(update={"earlier": (before,)}))
    await finds(http, ann, [(number, "Example")])
    await finds(http, number, [(again, "Unknown")])


async def test_results_of_an_order_under_the_old_number_go_out_under_the_survivors(
    http: httpx.AsyncClient, feed: Feed, log: Log, port: int
) -> None:
    two = Two("R")
    old, survivor = two.old, two.survivor
    *_, cause = await feed.publish(old.registered(), survivor.registered(), old.placed(), two.merge())
    await has_followed(log, "ehr_sync", cause.id)
    async with Listener(port).up() as ehr:
        await feed.publish(old.finalized())
        await eventually(lambda: ehr.told(old.placer) == ["ORU F"], within=20)
    [message] = [one for one in ehr.taken if one.placer == old.placer]
    assert (message.field("PID", 3), message.field("PID", 5)) == ("NEWR", "Example")


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("when", ["heard", "on its way"])
async def test_a_result_that_was_told_of_the_survivor_of_an_undone_merge_is_told_of_its_own_patient(
    feed: Feed, log: Log, port: int, when: str
) -> None:
    two = Two(f"U{when[0]}")
    old, survivor = two.old, two.survivor
    *_, cause = await feed.publish(old.registered(), survivor.registered(), old.placed(), two.merge())
    await has_followed(log, "ehr_sync", cause.id)
    before = old.finalized()
    undone = unmerged(two.merge())
    async with Listener(port).up() as ehr:
        ehr.manner = lambda _: ACCEPT if when == "heard" else HANG_UP
        await feed.publish(before, survivor.placed(), survivor.finalized())
        told = ehr.taken if when == "heard" else ehr.seen
        await eventually(lambda: {old.placer, survivor.placer} <= {one.placer for one in told}, within=20)
        [cause] = await feed.publish(undone)
        await feed.repeat(undone, cause)
        await has_followed(log, "ehr_sync", cause.id)
        ehr.manner = lambda _: ACCEPT
        await eventually(lambda: ehr.told(old.placer) == ["ORU F", "ORU C", "ORU F"], within=20)
        assert ehr.told(survivor.placer) == ["ORU F"]
    wrong, withdrawn, again = [one for one in ehr.taken if one.placer == old.placer]
    number, own = (whom.who.id.value if whom.who.id else "" for whom in (survivor, old))
    assert [one.field("PID", 3) for one in (wrong, withdrawn, again)] == [number, number, own]
    assert (withdrawn.field("OBX", 11), again.field("OBX", 11)) == ("W", "F")


@pytest.mark.parametrize("first", ["order", "images"])
async def test_what_belongs_to_an_order_that_went_to_another_patient_is_that_patients(
    http: httpx.AsyncClient, feed: Feed, first: str
) -> None:
    two = Two(f"V{first}")
    old, other = two.old, two.survivor
    moved = old.changed("Chest").model_copy(update={"patient_id": other.patient_id, "patient": other.who})
    rest: list[Fact] = [old.received(), old.matched(), old.finalized()]
    await feed.publish(old.registered(), other.registered(), old.placed())
    await feed.publish(*([moved, *rest] if first == "order" else [*rest, moved]))
    await finds(http, other, [(old, "Example")])
    await finds(http, old, [])


@pytest.mark.usefixtures("service")
async def test_results_that_were_told_of_the_wrong_patient_are_taken_back_and_told_of_the_right_one(
    feed: Feed, port: int
) -> None:
    two = Two("W")
    old, other = two.old, two.survivor
    moved = old.changed("Chest").model_copy(update={"patient_id": other.patient_id, "patient": other.who})
    async with Listener(port).up() as ehr:
        await feed.publish(old.registered(), other.registered(), old.placed(), old.finalized())
        await eventually(lambda: ehr.told(old.placer) == ["ORU F"], within=20)
        cause = (await feed.publish(moved))[0]
        await feed.repeat(moved, cause)
        await eventually(lambda: ehr.told(old.placer) == ["ORU F", "ORU C", "ORU F"], within=20)
        await feed.publish(old.amended())
        await eventually(lambda: ehr.told(old.placer) == ["ORU F", "ORU C", "ORU F", "ORU C"], within=20)
    told = [one for one in ehr.taken if one.placer == old.placer]
    assert [one.field("PID", 3) for one in told] == ["OLDW", "OLDW", "NEWW", "NEWW"]
    withdrawn, again = told[1], told[2]
    assert (withdrawn.field("PID", 5), withdrawn.field("OBX", 11)) == ("Unknown", "W")
    assert b"another patient" in withdrawn.raw
    assert (again.field("PID", 5), again.field("OBX", 11)) == ("Example", "F")


async def test_what_goes_with_its_visit_is_followed_and_that_is_said_once(
    http: httpx.AsyncClient, feed: Feed, log: Log
) -> None:
    two, visit_id = Two("V"), uuid4()
    former, present = two.old, two.survivor
    await feed.publish(*(e for x in (former, present) for e in (x.registered(), x.placed(), x.received(), x.matched())))
    await feed.publish(former.finalized(), present.finalized())
    await finds(http, former, [(former, "Unknown")])
    moved = moved_with(visit_id, former.placed(), (present.patient_id, present.who))
    [cause] = await feed.publish(moved)
    await feed.repeat(moved, cause)
    assert await visits_followed(log, "ehr_sync", cause.id) == [str(visit_id)]
    for kind, key in (("ServiceRequest", "order_id"), ("ImagingStudy", "uid"), ("DiagnosticReport", "report_id")):
        found = await resources(http, f"{kind}?patient=Patient/{present.patient_id}")
        assert set(found) == {str(getattr(exam, key)) for exam in (former, present)}
