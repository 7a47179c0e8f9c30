"""The orders of a visit or account that got another number carry it, whichever comes first; everything else stays."""

import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest
from fj_events import Identifier, PatientVisitRenumbered, VisitKind, VisitPhi
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, Feed, Log, Record, eventually, merged

from services.order.tests.integration.test_moved_visits import NOON, a_name, becomes, moved, orm, somebody

pytestmark = pytest.mark.servers
FIELDS = {VisitKind.VISIT: "visit_number", VisitKind.ACCOUNT: "account_number"}


@pytest.fixture
def n() -> str:
    return a_name()


def renumbered(
    before: str, number: str | None, patient: str, kind: VisitKind = VisitKind.VISIT, minute: int = 0
) -> PatientVisitRenumbered:
    present = Identifier(value=number, issuer="MAIN") if number else None
    return PatientVisitRenumbered(
        site="MAIN",
        visit_id=uuid5(UUID(PATIENT_NAMESPACE), f"{kind} {before}"),
        kind=kind,
        patient_ids=(somebody(patient, "")[0],),
        renumbered_at=NOON + timedelta(minutes=minute),
        reason="the registration system said so",
        visit=VisitPhi(number=Identifier(value=before, issuer="MAIN"), present_number=present),
    )


async def on(log: Log, order: str) -> dict[str, Any]:
    """What others were told last of the reason for an order, and of what it is on."""

    def about(record: Record) -> bool:
        named = record.body.get("accession_number") or {}
        return named.get("value") == f"A{order}" and "clinical" in record.body

    records = await log.wait_for("order-events", where=about, within=20)
    clinical: dict[str, Any] = records[-1].body["clinical"]
    return clinical


async def carries(log: Log, order: str, number: str, kind: VisitKind = VisitKind.VISIT) -> None:
    async def there() -> bool:
        return bool((await on(log, order))[FIELDS[kind]]["value"] == number)

    await eventually(there, within=20)


async def is_known(placer: MllpClient, log: Log, n: str, kind: VisitKind) -> None:
    """That the number was changed: then an order has the new one from the first."""
    orders = (f"{number}{n}" for number in itertools.count(10))

    async def there() -> bool:
        order = next(orders)
        await placer.send(ordered(order, f"A{n}", f"V{n}", kind))
        return bool((await on(log, order))[FIELDS[kind]]["value"] == f"U{n}")

    await eventually(there, within=20)


def ordered(order: str, patient: str, number: str, kind: VisitKind) -> bytes:
    if kind is VisitKind.VISIT:
        return orm(order, patient, number)
    return orm(order, patient, "", account=number)


@pytest.mark.parametrize("first", ["number", "order"])
@pytest.mark.parametrize("kind", VisitKind)
async def test_orders_of_a_visit_carry_its_new_number_and_no_other_does(
    placer: MllpClient, feed: Feed, log: Log, first: str, kind: VisitKind
) -> None:
    n = a_name()
    fact = renumbered(f"V{n}", f"U{n}", f"A{n}", kind)
    if first == "number":
        [cause] = await feed.publish(fact)
        await feed.repeat(fact, cause)
        await is_known(placer, log, n, kind)
    await placer.send(ordered(f"1{n}", f"A{n}", f"V{n}", kind))
    await placer.send(ordered(f"2{n}", f"A{n}", f"W{n}", kind))
    await placer.send(ordered(f"3{n}", f"C{n}", f"V{n}", kind))
    if first == "order":
        [cause] = await feed.publish(fact)
        await feed.repeat(fact, cause)
    await carries(log, f"1{n}", f"U{n}", kind)
    [followed] = await log.wait_for(
        "follower-events", where=lambda record: record.headers.get("ce_causationid") == str(cause.id), within=20
    )
    assert followed.key == f"order.{fact.visit_id}"
    if first == "order":
        assert len(followed.body["changes"]) == 1
    await carries(log, f"2{n}", f"W{n}", kind)
    await carries(log, f"3{n}", f"V{n}", kind)
    await feed.publish(renumbered(f"V{n}", None, f"A{n}", kind))
    await carries(log, f"1{n}", f"V{n}", kind)


async def test_a_change_may_name_either_number_and_the_one_that_it_names_last_is_the_placers(
    placer: MllpClient, feed: Feed, log: Log, n: str
) -> None:
    await placer.send(orm(f"1{n}", f"A{n}", f"V{n}"))
    await placer.send(orm(f"2{n}", f"A{n}", f"V{n}"))
    await feed.publish(renumbered(f"V{n}", f"U{n}", f"A{n}"))
    for order in (f"1{n}", f"2{n}"):
        await carries(log, order, f"U{n}")
    await placer.send(orm(f"1{n}", f"A{n}", f"V{n}", "XO", code="CTHEAD"))
    await placer.send(orm(f"2{n}", f"A{n}", f"U{n}", "XO"))
    await carries(log, f"1{n}", f"U{n}")
    await feed.publish(renumbered(f"V{n}", None, f"A{n}"))
    await carries(log, f"1{n}", f"V{n}")
    await carries(log, f"2{n}", f"U{n}")


@pytest.mark.parametrize("last", range(4))
async def test_a_visit_that_is_moved_and_renumbered_ends_alike_whatever_comes_last(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, log: Log, last: int
) -> None:
    n = a_name()
    facts = [
        renumbered(f"V{n}", f"U{n}", f"P{n}", minute=1),
        moved(f"U{n}", [f"A{n}", f"B{n}"], f"B{n}", minute=2),
        renumbered(f"U{n}", f"T{n}", f"B{n}", minute=3),
        merged(somebody(f"P{n}", "Old"), somebody(f"A{n}", "Example")),
    ]
    await placer.send(orm(f"1{n}", f"P{n}", f"V{n}"))
    for fact in (*facts[:last], *facts[last + 1 :], facts[last]):
        await feed.publish(fact)
    await becomes(http, f"1{n}", f"B{n}")
    await carries(log, f"1{n}", f"T{n}")
    await feed.publish(renumbered(f"U{n}", None, f"B{n}", minute=3))
    await carries(log, f"1{n}", f"U{n}")
