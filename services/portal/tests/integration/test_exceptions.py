"""The exceptions list: what somebody has to look at, from the events."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    ConflictingInstance,
    Fact,
    Identifier,
    MatchRule,
    MessageError,
    MessageRefused,
    MessageSettled,
    ObjectRef,
    OrderCancelled,
    OrderPlaced,
    PatientPhi,
    PatientRegistered,
    PatientUpdated,
    Priority,
    SettledAs,
    Sex,
    Source,
    StudyConflicted,
    StudyConflictSettled,
    StudyMatched,
    StudyReceived,
    StudyUnmatched,
)
from fj_testing import Feed, ServiceProcess, Services, eventually, merged, person, unmerged

pytestmark = pytest.mark.servers
MANY = 120


@pytest.fixture(scope="module")
def portal(services: Services) -> ServiceProcess:
    return services.start("portal")


@pytest.fixture
async def http(portal: ServiceProcess) -> Any:
    async with httpx.AsyncClient(base_url=portal.http, timeout=20) as client:
        yield client


def a_uid() -> str:
    return f"2.25.{uuid4().int}"


def conflicted(study: str) -> StudyConflicted:
    return StudyConflicted.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": study,
            "series_instance_uid": f"{study}.1",
            "pack": ObjectRef(bucket="b", key="packs/x.tar", size=1, sha256="00" * 32),
            "source": Source.DIMSE,
            "received_at": "2026-03-02T09:00:00Z",
            "instances": [
                ConflictingInstance(
                    sop_instance_uid=f"{study}.1.1",
                    revision=1,
                    sha256="11" * 32,
                    current_sha256="22" * 32,
                    offset=1536,
                    length=10,
                )
            ],
        }
    )


def matched(study: str) -> StudyMatched:
    return StudyMatched(
        site="MAIN",
        study_instance_uid=study,
        order_id=uuid4(),
        patient_id=uuid4(),
        accession_number=Identifier(value="A1", issuer="MAIN"),
        matched_by=MatchRule.ACCESSION,
        reason="the same accession number",
        ordered_study_instance_uid=study,
    )


def unmatched(study: str, *contradicted_by: str, site: str = "MAIN") -> StudyUnmatched:
    order_id = uuid4() if contradicted_by else None
    return StudyUnmatched(
        site=site,
        study_instance_uid=study,
        reason="no order fits",
        contradicted_by=contradicted_by,
        unconfirmed_order_id=order_id,
    )


def received(study: str) -> StudyReceived:
    return StudyReceived.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": study,
            "modalities": ["CT"],
            "description": "CT of a head",
            "patient": PatientPhi(
                id=Identifier(value="P77", issuer="MAIN"), family_name="Okafor", given_name="Ben", sex=Sex.MALE
            ),
            "received_at": "2026-03-02T09:00:00Z",
        }
    )


def an_order(number: str, patient_id: UUID, name: str) -> OrderPlaced:
    order_id = uuid4()
    return OrderPlaced(
        site="MAIN",
        order_id=order_id,
        patient_id=patient_id,
        accession_number=Identifier(value=number, issuer="MAIN"),
        study_instance_uid=f"2.25.{order_id.int}",
        requested_procedure_id="1",
        procedure=CodedConcept(code="CTCHEST"),
        priority=Priority.ROUTINE,
        source=Source.HL7,
        patient=PatientPhi(id=Identifier(value=name, issuer="MAIN"), family_name=name),
        clinical=ClinicalPhi(),
    )


async def listed(http: httpx.AsyncClient, key: str, **asked: str) -> dict[str, str]:
    """Kind and event of the entries about something."""
    entries = (await http.get("/api/portal/exceptions", params={"limit": "500", **asked})).json()["exceptions"]
    return {entry["kind"]: entry["event_id"] for entry in entries if entry["key"] == key}


async def until(http: httpx.AsyncClient, key: str, *kinds: str) -> None:
    async def so() -> bool:
        return set(await listed(http, key)) == set(kinds)

    await eventually(so, within=30, what=f"{kinds or 'nothing'} on the list")


async def test_studies_are_listed_until_there_is_nothing_to_look_at(http: httpx.AsyncClient, feed: Feed) -> None:
    study = a_uid()
    assert 'href="/exceptions"' in (await http.get("/")).text
    await feed.publish(unmatched(study), conflicted(study), unmatched(study))
    await until(http, study, "unmatched study", "UID conflict")
    page = (await http.get("/exceptions")).text
    assert all(words in page for words in ("UID conflict", "1 instances came again", "no order fits", study))
    await feed.publish(unmatched(study, "name", "sex"))
    await until(http, study, "unconfirmed study", "UID conflict")
    await feed.publish(matched(study))
    await until(http, study, "UID conflict")
    event_id = (await listed(http, study))["UID conflict"]
    page = (await http.get(f"/exceptions/{event_id}")).raise_for_status().text
    assert f'data-post="/api/storage/studies/{study}/conflicts/settle"' in page
    await feed.publish(StudyConflictSettled(site="MAIN", actor="tess", study_instance_uid=study, reason="looked at"))
    await until(http, study)


async def test_an_entry_has_a_page_with_what_there_is_to_compare_and_to_do(http: httpx.AsyncClient, feed: Feed) -> None:
    study = a_uid()
    await feed.publish(received(study), unmatched(study, "name"))
    await until(http, study, "unconfirmed study")
    event_id = (await listed(http, study))["unconfirmed study"]
    page = (await http.get(f"/exceptions/{event_id}")).raise_for_status().text
    assert f'id="candidates" data-study="{study}"' in page
    assert f'data-new-order="{study}"' in page
    assert f'id="registered" data-study="{study}"' in page
    assert all(
        f'data-post="/api/storage/studies/{study}/{act}"' in page for act in ("confirm", "link", "undo", "reject")
    )
    assert all(f'value="{value}"' in page for value in ("P77", "Okafor", "Ben", "CT of a head", "CT"))
    assert "unconfirmed" in (await http.get(f"/exams/{study}")).text

    await feed.publish(matched(study))
    await until(http, study)
    gone = await http.get(f"/exceptions/{event_id}")
    assert (gone.status_code, "Nobody has to look at this any more" in gone.text) == (404, True)
    assert (await http.get(f"/api/portal/exceptions/{event_id}")).status_code == 404


async def test_a_long_list_has_pages_and_filters(http: httpx.AsyncClient, feed: Feed) -> None:
    await feed.publish(*(unmatched(a_uid(), site="NORTH") for _ in range(MANY)))

    async def all_there() -> bool:
        answer = await http.get("/api/portal/exceptions", params={"site": "NORTH", "limit": 1})
        return bool(answer.json()["total"] == MANY)

    await eventually(all_there, within=30, what="all entries")
    pages = [(await http.get("/exceptions", params={"site": "NORTH", "page": str(page)})).text for page in (1, 2, 3)]
    shown = [page.count('<span class="kind ') for page in pages]
    assert shown == [50, 50, MANY - 100]
    assert [("Newer" in page, "Older" in page) for page in pages] == [(False, True), (True, True), (True, False)]
    assert "There is none" in (await http.get("/exceptions", params={"site": "NORTH", "kind": "UID conflict"})).text
    assert (await http.get("/api/portal/exceptions", params={"kind": "nonsense"})).status_code == 422

    async def counted() -> bool:
        lines = (await http.get("/metrics")).text.splitlines()
        label = 'portal_exceptions{age="an hour",kind="unmatched study"}'
        return any(line.startswith(label) and float(line.split()[-1]) >= MANY for line in lines)

    await eventually(counted, within=40, what="the figure")


async def test_two_patients_under_one_accession_number(http: httpx.AsyncClient, feed: Feed) -> None:
    ada, ben = uuid4(), uuid4()
    number = uuid4().hex[:12].upper()
    first, second, third = (
        an_order(number, ada, "Lovett"),
        an_order(number, ada, "Lovett"),
        an_order(number, ben, "Oka"),
    )
    await came(http, feed, first, second)
    await feed.publish(third)
    await until(http, str(third.order_id), "duplicate accession")
    assert not await listed(http, str(first.order_id))
    event_id = (await listed(http, str(third.order_id)))["duplicate accession"]
    page = (await http.get(f"/exceptions/{event_id}")).raise_for_status().text
    for order in (first, third):
        assert f'data-post="/api/order/orders/{order.order_id}/cancel"' in page
    await feed.publish(cancelled(third))
    await until(http, str(third.order_id))


@pytest.mark.parametrize("first", ["merge", "orders"])
async def test_two_patients_under_one_accession_number_who_are_one_after_all_until_that_is_undone(
    http: httpx.AsyncClient, feed: Feed, first: str
) -> None:
    numbers = [uuid4().hex[:12].upper() for _ in range(2)]
    ada, other = (uuid4(), person("P1", "Lovett")), (uuid4(), person("P2", "Lovett"))
    for_ada = [an_order(number, ada[0], "Lovett") for number in numbers]
    for_other = [an_order(number, other[0], "Lovett") for number in numbers]
    merge = merged(other, ada)
    if first == "orders":
        await came(http, feed, *for_ada)
        await feed.publish(*for_other)
        for order in for_other:
            await until(http, str(order.order_id), "duplicate accession")
        await feed.publish(merge)
    else:
        await feed.publish(merge, *for_ada, *for_other)
    for order in (*for_ada, *for_other):
        await until(http, str(order.order_id))
    await feed.publish(unmerged(merge))
    for order in for_other:
        await until(http, str(order.order_id), "duplicate accession")
    assert not [order for order in for_ada if await listed(http, str(order.order_id))]


async def came(http: httpx.AsyncClient, feed: Feed, *orders: OrderPlaced) -> None:
    """Of two with one number the later one is listed: facts of different orders come in any order."""
    await feed.publish(*orders)
    for order in orders:

        async def known(key: str = str(order.order_id)) -> bool:
            return (await http.get(f"/exams/{key}")).status_code == 200

        await eventually(known, within=30, what="the order in the portal")


def cancelled(order: OrderPlaced) -> OrderCancelled:
    return OrderCancelled(
        site="MAIN",
        order_id=order.order_id,
        patient_id=order.patient_id,
        accession_number=order.accession_number,
        study_instance_uid=order.study_instance_uid,
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


async def test_a_refused_message_is_listed_as_its_last_refusal_says_until_it_is_settled(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    first, last = refused("101"), refused("204")
    await feed.publish(first, last)
    said = "ORM^O01 C4711 of EHR/NORTH at order: AE 204 at ORC-2"

    async def shown() -> bool:
        page = (await http.get("/exceptions", params={"kind": "refused message"})).text
        return said in page and "101 at ORC-2" not in page

    await eventually(shown, within=30, what="the last refusal")
    event_id = (await listed(http, last.key))["refused message"]
    page = (await http.get(f"/exceptions/{event_id}")).raise_for_status().text
    at = f"/api/order/messages/{'9f' * 32}"
    assert all(f'data-post="{at}/{act}?control_id=C4711"' in page for act in ("replay", "dismiss"))
    assert f'data-look="{at}?control_id=C4711"' in page
    settled = MessageSettled(site="MAIN", message_id=last.message_id, room="order", settled_as=SettledAs.ACCEPTED)
    by_tess = {"actor": "tess"}
    await feed.publish(last.model_copy(update=by_tess), settled.model_copy(update=by_tess))
    await until(http, last.key)
    done = (await http.get("/api/portal/acts")).json()
    assert [act["summary"] for act in done if act["actor"] == "tess"] == [
        "a message refused at order accepted",
        f"tried again, {said}",
    ]


async def test_a_patient_whom_only_images_have_named_is_listed_until_announced(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    patient_id = uuid4()

    def said(kind: type[PatientRegistered | PatientUpdated], source: Source, *, provisional: bool) -> Fact:
        return kind(
            site="MAIN",
            patient_id=patient_id,
            provisional=provisional,
            source=source,
            patient=PatientPhi(family_name="Okafor"),
        )

    await feed.publish(said(PatientRegistered, Source.DIMSE, provisional=True))
    await until(http, str(patient_id), "unknown patient")
    event_id = (await listed(http, str(patient_id)))["unknown patient"]
    page = (await http.get(f"/exceptions/{event_id}")).raise_for_status().text
    assert f'data-post="/api/patient/patients/{patient_id}/links"' in page
    assert "Okafor" not in (await http.get("/exceptions")).text
    await feed.publish(said(PatientUpdated, Source.HL7, provisional=False))
    await until(http, str(patient_id))
