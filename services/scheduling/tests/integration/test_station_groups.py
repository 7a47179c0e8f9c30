"""Groups of stations: what is scheduled for a group, and who finds it (PS3.4 Annex K)."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fj_events import CodedConcept, Identifier, OrderPlaced
from fj_testing import Feed

from services.scheduling.tests.builders import NOON, Modality, a_query, an_order, changed, in_progress
from services.scheduling.tests.desk import Desk
from services.scheduling.tests.exams import planned

pytestmark = pytest.mark.servers
CATALOGUE = """
default: {modality: OT, duration_minutes: 30, station: OT1}
stations:
  - {ae_title: CT1, modality: CT, name: Trauma}
  - {ae_title: CT2, modality: CT, name: Basement}
  - {ae_title: CT3, modality: CT, name: Annex}
  - {ae_title: MR1, modality: MR}
groups:
  - {ae_title: CT_ALL, name: Any CT, stations: [CT1, CT2, CT3]}
  - {ae_title: CT_HOUSE, stations: [CT1, CT2]}
procedures:
  - {code: ANYWHERE, text: CT chest, steps: [{modality: CT, duration_minutes: 15, group: CT_ALL}]}
  - {code: IN_HOUSE, text: CT head, steps: [{modality: CT, duration_minutes: 15, group: CT_HOUSE}]}
  - {code: TRAUMA, text: CT trauma, steps: [{modality: CT, duration_minutes: 15, stations: [CT1]}]}
  - {code: ANNEX, text: CT knee, steps: [{modality: CT, duration_minutes: 15, stations: [CT3]}]}
  - {code: MRBRAIN, text: MR brain, steps: [{modality: MR, duration_minutes: 15}]}
"""


def an_exam(code: str, accession: str = "", **given: Any) -> OrderPlaced:
    if accession:
        given["accession_number"] = Identifier(value=accession, issuer="MAIN")
    return an_order(procedure=CodedConcept(code=code, system="L"), **given)


def station_of(exam: Any) -> tuple[str, list[str] | None]:
    return exam["steps"][0]["station_ae_title"], exam["steps"][0]["group"]


ASKED = {
    "CT1": {"ANYWHERE", "IN_HOUSE", "TRAUMA"},
    "CT2": {"ANYWHERE", "IN_HOUSE"},
    "CT3": {"ANYWHERE", "ANNEX"},
    "MR1": {"MRBRAIN"},
    "CT_ALL": {"ANYWHERE", "IN_HOUSE", "TRAUMA", "ANNEX"},
    "CT_HOUSE": {"ANYWHERE", "IN_HOUSE", "TRAUMA"},
    "CT_HOUS?": {"ANYWHERE", "IN_HOUSE", "TRAUMA"},
    "*2": {"ANYWHERE", "IN_HOUSE"},
    "CT3\\MR1": {"ANYWHERE", "ANNEX", "MRBRAIN"},
    "CTXALL": set[str](),
}


async def test_a_station_finds_what_is_for_its_groups_and_a_group_what_is_for_its_stations(
    feed: Feed, modality: Modality
) -> None:
    codes = ["ANYWHERE", "IN_HOUSE", "TRAUMA", "ANNEX", "MRBRAIN"]
    day = NOON + timedelta(days=10)
    await planned(feed, modality, *(an_exam(code, code, asked_for=day) for code in codes))
    for title, expected in ASKED.items():
        items, _ = await modality.asks(
            a_query(ScheduledStationAETitle=title, ScheduledProcedureStepStartDate=f"{day:%Y%m%d}")
        )
        assert {item.AccessionNumber for item in items} == expected, title


async def test_the_answer_names_all_stations_of_the_group(feed: Feed, modality: Modality) -> None:
    of_all, of_one = an_exam("ANYWHERE"), an_exam("TRAUMA")
    await planned(feed, modality, of_all, of_one)
    query = a_query(ScheduledStationName="", ScheduledStationAETitle="CT2")
    query.AccessionNumber = of_all.accession_number.value
    ((item,), _) = await modality.asks(query)
    (step,) = item.ScheduledProcedureStepSequence
    assert list(step.ScheduledStationAETitle) == ["CT1", "CT2", "CT3"]
    assert step.ScheduledStationName == "Any CT"
    (step,) = (await modality.sees(of_one))[0].ScheduledProcedureStepSequence
    assert step.ScheduledStationAETitle == "CT1"


async def test_a_placer_may_choose_a_group(feed: Feed, modality: Modality, desk: Desk) -> None:
    order = an_exam("TRAUMA", station_ae_title="CT_HOUSE")
    await planned(feed, modality, order)
    assert station_of(await desk.sees(order)) == ("CT_HOUSE", ["CT1", "CT2"])


async def test_each_appointment_for_a_group_has_a_station_of_its_own_until_all_are_taken(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    day = NOON + timedelta(days=11)
    first, second, third = orders = [an_exam("IN_HOUSE", asked_for=day) for _ in range(3)]
    await planned(feed, modality, *orders)
    assert station_of((await desk.books(first, day)).json()) == ("CT1", None)
    assert station_of((await desk.books(second, day, station_ae_title="CT_HOUSE")).json()) == ("CT2", None)
    taken = await desk.books(third, day)
    assert taken.status_code == 409
    assert [slot["starts_at"] for slot in taken.json()["alternatives"]][:1] != [day.isoformat()]
    assert station_of(await desk.sees(third)) == ("CT_HOUSE", ["CT1", "CT2"])
    assert (await desk.books(first, day)).json()["steps"] == (await desk.sees(first))["steps"]
    next_one = (await desk.does("book-next", third)).json()
    assert station_of(next_one) == ("CT1", None)
    assert next_one["steps"][0]["booked"]


async def test_an_order_that_changes_keeps_the_station_that_was_booked_for_it(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    order = an_exam("ANYWHERE", asked_for=NOON + timedelta(days=12))
    await planned(feed, modality, order)
    assert (await desk.books(order, NOON + timedelta(days=12), station_ae_title="CT3")).status_code == 200
    await feed.publish(changed(order, procedure=CodedConcept(code="ANYWHERE", text="CT of the chest", system="L")))
    follower = an_exam("ANYWHERE")
    await planned(feed, modality, follower)
    (step,) = (await desk.sees(order))["steps"]
    assert (step["station_ae_title"], step["booked"]) == ("CT3", True)


async def test_done_at_a_station_of_the_group_is_done_as_scheduled(feed: Feed, modality: Modality, desk: Desk) -> None:
    order = an_exam("ANYWHERE")
    await planned(feed, modality, order)
    await modality.begins(in_progress(order, PerformedStationAETitle="CT2"))
    (performed,) = (await desk.sees(order))["performed"]
    assert performed["station_ae_title"] == "CT2"
    assert "station" not in performed["differs"]


async def test_the_agenda_of_a_station_has_what_is_for_its_groups(
    feed: Feed, modality: Modality, http: httpx.AsyncClient
) -> None:
    day = NOON + timedelta(days=13)
    orders = [an_exam(code, asked_for=day) for code in ("ANYWHERE", "IN_HOUSE", "ANNEX")]
    await planned(feed, modality, *orders)
    asked = {"station": "CT2", "day": f"{day:%Y-%m-%d}"}
    entries = (await http.get("/api/scheduling/agenda", params=asked)).json()["steps"]
    assert {entry["station_ae_title"] for entry in entries} == {"CT_ALL", "CT_HOUSE"}
