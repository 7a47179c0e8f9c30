"""The orders of a visit or account go with it to another patient, whichever comes first; everything else stays."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from fj_events import Identifier, PatientPhi, PatientVisitMoved, VisitKind, VisitPhi, patient_key
from fj_hl7 import MllpClient, Refused
from fj_testing import PATIENT_NAMESPACE, Feed, Log, Record, eventually, merged, person, unmerged

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def somebody(number: str, name: str) -> tuple[UUID, PatientPhi]:
    return patient_key(UUID(PATIENT_NAMESPACE), "MAIN", number), person(number, name)


def moved(
    number: str,
    patients: list[str],
    now: str | None,
    kind: VisitKind = VisitKind.VISIT,
    minute: int = 0,
    *,
    issuer: str = "MAIN",
) -> PatientVisitMoved:
    return PatientVisitMoved(
        site="MAIN",
        visit_id=uuid5(UUID(PATIENT_NAMESPACE), f"{kind} {number}"),
        kind=kind,
        patient_ids=tuple(somebody(each, "Example")[0] for each in patients),
        patient_id=somebody(now, "Example")[0] if now else None,
        moved_at=NOON + timedelta(minutes=minute),
        reason="the registration system said so",
        visit=VisitPhi(number=Identifier(value=number, issuer=issuer)),
        patient=somebody(now, f"New{now}")[1] if now else None,
    )


def orm(order: str, patient: str, visit: str, control: str = "NW", *, code: str = "", account: str = "") -> bytes:
    return "\r".join(
        (
            f"MSH|^~\\&|EHR|GENERAL|FJ|FJ|20260302091500||ORM^O01^ORM_O01|V{next(NUMBERS)}|P|2.5.1",
            f"PID|1||{patient}^^^MAIN^MR||Somebody^Ada||19700401|F||||||||||{account}",
            f"PV1|1|O{'|' * 17}{visit}" if visit else "NTE|1||no visit",
            f"ORC|{control}|P{order}^EHR|A{order}^MAIN",
            "TQ1|1||||||||R",
            f"OBR|1|P{order}^EHR||{code or 'CTCHEST'}^CT^L",
        )
    ).encode()


async def shown(http: httpx.AsyncClient, order: str) -> str:
    found: list[dict[str, Any]] = (await http.get("/api/order/orders", params={"accession": f"A{order}"})).json()
    return str(found[0]["patient"]["id"]["value"])


async def becomes(http: httpx.AsyncClient, order: str, patient: str) -> None:
    async def there() -> bool:
        return await shown(http, order) == patient

    await eventually(there, within=20)


async def is_known(placer: MllpClient, http: httpx.AsyncClient, n: str) -> None:
    """That the visit was moved: then an order of it is the new patient's from the first."""
    orders = (f"{number}{n}" for number in itertools.count(10))

    async def there() -> bool:
        order = next(orders)
        await placer.send(orm(order, f"A{n}", f"V{n}"))
        return await shown(http, order) == f"B{n}"

    await eventually(there, within=20)


def a_name() -> str:
    return uuid4().hex[:8].upper()


@pytest.fixture
def n() -> str:
    return a_name()


async def told(log: Log, order: str, patient: str) -> list[Record]:
    """What others hear of an order that is this patient's."""
    patient_id = str(somebody(patient, "")[0])

    def about(record: Record) -> bool:
        named = record.body.get("accession_number") or {}
        return named.get("value") == f"A{order}" and record.body.get("patient_id") == patient_id

    return await log.wait_for("order-events", where=about, within=20)


@pytest.mark.parametrize("first", ["move", "order"])
async def test_orders_of_a_visit_follow_it_and_no_other_does(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, log: Log, first: str
) -> None:
    n = a_name()
    fact = moved(f"V{n}", [f"A{n}", f"B{n}"], f"B{n}")
    if first == "move":
        [cause] = await feed.publish(fact)
        await feed.repeat(fact, cause)
        await is_known(placer, http, n)
    await placer.send(orm(f"1{n}", f"A{n}", f"V{n}"))
    await placer.send(orm(f"2{n}", f"A{n}", f"W{n}"))
    await placer.send(orm(f"3{n}", f"C{n}", f"V{n}"))
    if first == "order":
        [cause] = await feed.publish(fact)
        await feed.repeat(fact, cause)
    await becomes(http, f"1{n}", f"B{n}")
    [fact_of_order] = await told(log, f"1{n}", f"B{n}")
    assert fact_of_order.body["patient"]["family_name"] == f"NewB{n}"
    assert fact_of_order.type == ("order.placed.v1" if first == "move" else "order.changed.v1")
    assert set(fact_of_order.body.get("changed", ())) <= {"patient", "patient_id"}
    assert (await shown(http, f"2{n}"), await shown(http, f"3{n}")) == (f"A{n}", f"C{n}")
    followed = await log.wait_for(
        "follower-events", where=lambda record: record.headers.get("ce_causationid") == str(cause.id), within=20
    )
    assert [record.key for record in followed] == [f"order.{fact.visit_id}"]
    moved_with = str(fact.visit_id) if first == "order" else None
    assert fact_of_order.body.get("moved_with") == moved_with
    assert (fact_of_order.headers["ce_id"] in followed[0].body["changes"]) == (moved_with is not None)


async def test_an_order_on_a_moved_visit_is_changed_in_the_name_of_either(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, n: str
) -> None:
    await placer.send(orm(f"1{n}", f"A{n}", f"V{n}"))
    await feed.publish(moved(f"V{n}", [f"A{n}", f"B{n}"], f"B{n}"))
    await becomes(http, f"1{n}", f"B{n}")
    await placer.send(orm(f"1{n}", f"A{n}", "", "XO", code="CTHEAD"))
    assert await shown(http, f"1{n}") == f"B{n}"
    await placer.send(orm(f"1{n}", f"B{n}", f"V{n}", "XO", code="CTABDOMEN"))
    assert await shown(http, f"1{n}") == f"B{n}"
    with pytest.raises(Refused):
        await placer.send(orm(f"1{n}", f"C{n}", f"V{n}", "XO", code="CTHEAD"))
    await feed.publish(moved(f"V{n}", [f"A{n}", f"B{n}"], None))
    await becomes(http, f"1{n}", f"A{n}")


@pytest.mark.parametrize("kind", VisitKind)
async def test_a_visit_or_account_is_known_by_the_authority_that_its_number_names(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, n: str, kind: VisitKind
) -> None:
    number = f"V{n}^^^GENERAL"
    on = {"visit": number} if kind is VisitKind.VISIT else {"visit": "", "account": number}
    await placer.send(orm(f"1{n}", f"A{n}", **on))
    await feed.publish(moved(f"V{n}", [f"A{n}", f"B{n}"], f"B{n}", kind, issuer="GENERAL"))
    await becomes(http, f"1{n}", f"B{n}")


async def test_a_later_move_of_the_account_takes_the_visit_along(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, n: str
) -> None:
    await feed.publish(moved(f"K{n}", [f"B{n}", f"C{n}"], f"C{n}", VisitKind.ACCOUNT, minute=2))
    await feed.publish(moved(f"V{n}", [f"A{n}", f"B{n}"], f"B{n}", minute=1))
    await placer.send(orm(f"1{n}", f"A{n}", f"V{n}", account=f"K{n}"))
    await becomes(http, f"1{n}", f"C{n}")


@pytest.mark.parametrize("first", ["move", "merge"])
async def test_an_order_under_a_merged_number_goes_with_the_visit_of_its_survivor(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, n: str, first: str
) -> None:
    await placer.send(orm(f"1{n}", f"P{n}", f"V{n}"))
    merge, move = merged(somebody(f"P{n}", "Old"), somebody(f"A{n}", "Example")), moved(f"V{n}", [f"A{n}"], f"B{n}")
    if first == "merge":
        await feed.publish(merge)
        await becomes(http, f"1{n}", f"A{n}")
    await feed.publish(move)
    if first == "move":
        await feed.publish(merge)
    await becomes(http, f"1{n}", f"B{n}")
    await feed.publish(unmerged(merge))
    await becomes(http, f"1{n}", f"P{n}")
