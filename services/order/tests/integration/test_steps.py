"""An order whose placer planned its steps: several IPC under one OBR (IHE RAD-4)."""

import httpx
import pytest
from fj_hl7 import MllpClient
from fj_testing import Log

from services.order.tests.placer import a_number, facts, orm, refusal

pytestmark = pytest.mark.servers


def omi(number: str, *steps: str, control: str = "NW") -> bytes:
    """An OMI^O23 with these IPC."""
    order = orm(number, control=control, code="MRARTHRO").replace(b"ORM^O01^ORM_O01", b"OMI^O23^OMI_O23")
    return b"\r".join((order, *(step.encode() for step in steps)))


def ipc(number: str, nth: int, modality: str, *, uid: str = "2.25.77") -> str:
    protocol = f"{modality}-ARTHRO^Joint^99FJ"
    return f"IPC|A{number}^MAIN|RP{number}|{uid}|{number}-{nth}|{modality}|{protocol}|||{modality}1"


async def test_all_ipc_of_an_order_are_its_steps_and_a_change_says_that_they_differ(
    placer: MllpClient, log: Log
) -> None:
    number = a_number()
    two = (ipc(number, 1, "RF"), ipc(number, 2, "MR"))
    assert (await placer.send(omi(number, *two))).code == "AA"
    assert (await placer.send(omi(number, *two))).code == "AA"
    assert (await placer.send(omi(number, *two, ipc(number, 3, "CT"), control="XO"))).code == "AA"
    placed, changed = await facts(log, number, "order.placed.v1", "order.changed.v1")
    assert placed.body["study_instance_uid"] == "2.25.77"
    assert placed.body["steps"] == [
        {
            "step_id": f"{number}-{nth}",
            "modality": modality,
            "protocol": [{"code": f"{modality}-ARTHRO", "text": "Joint", "system": "99FJ"}],
            "station_ae_title": f"{modality}1",
        }
        for nth, modality in ((1, "RF"), (2, "MR"))
    ]
    assert changed.body["changed"] == ["steps"]
    assert [step["modality"] for step in changed.body["steps"]] == ["RF", "MR", "CT"]


async def test_groups_of_one_number_are_one_order_and_each_group_is_answered(placer: MllpClient, log: Log) -> None:
    number, other = a_number(), a_number()
    head, first = omi(number, ipc(number, 1, "RF")).split(b"\rORC", 1)
    groups = [b"ORC" + first]
    groups.append(groups[0].replace(groups[0].split(b"\r")[-1], ipc(number, 2, "MR").encode()))
    groups.append(b"ORC" + omi(other, ipc(other, 1, "CT", uid="2.25.78")).split(b"\rORC", 1)[1])
    ack = await placer.send(b"\r".join((head, *groups)))
    assert [(orc.get(1), orc.get(2)) for orc in ack.orders] == [("OK", number), ("OK", number), ("OK", other)]
    [placed] = await facts(log, number, "order.placed.v1")
    assert [step["modality"] for step in placed.body["steps"]] == ["RF", "MR"]
    [second] = await facts(log, other, "order.placed.v1")
    assert [step["step_id"] for step in second.body["steps"]] == [f"{other}-1"]
    changed = b"\r".join((head, groups[0].replace(b"ORC|NW", b"ORC|XO"), groups[1].replace(b"ORC|NW", b"ORC|XO")))
    assert (await placer.send(changed.replace(b"|RF|", b"|CT|"))).code == "AA"
    _, change = await facts(log, number, "order.placed.v1", "order.changed.v1")
    assert [step["modality"] for step in change.body["steps"]] == ["CT", "MR"]


async def test_steps_that_come_before_their_order_wait_for_it_whole(placer: MllpClient, log: Log) -> None:
    number = a_number()
    two = (ipc(number, 1, "RF"), ipc(number, 2, "MR"))
    assert (await placer.send(omi(number, *two, control="XO"))).code == "AA"
    await placer.send(omi(number))
    _, changed = await facts(log, number, "order.placed.v1", "order.changed.v1")
    assert [step["step_id"] for step in changed.body["steps"]] == [f"{number}-1", f"{number}-2"]


async def test_ipc_of_two_accessions_or_two_studies_are_refused_by_segment_and_field_and_leave_nothing(
    placer: MllpClient, http: httpx.AsyncClient
) -> None:
    number = a_number()
    for field, other in ((1, ipc("OTHER", 2, "MR")), (3, ipc(number, 2, "MR", uid="2.25.78"))):
        ack = await refusal(placer, omi(number, ipc(number, 1, "RF"), other))
        assert ack.code == "AE"
        [error] = ack.errors
        assert (error.segment, error.sequence, error.field) == ("IPC", 2, field)
    assert (await http.get("/api/order/orders", params={"placer_order_number": number})).json() == []
