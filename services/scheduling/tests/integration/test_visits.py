"""The worklist and the agenda say where a patient is and how far their visit is, as `patient-events` say it by now."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    ClinicalPhi,
    Identifier,
    OrderPlaced,
    PatientLocation,
    PatientPhi,
    PatientVisitUpdated,
    VisitPhi,
    VisitState,
    patient_key,
)
from fj_testing import PATIENT_NAMESPACE, Feed, eventually, merged, person
from pydicom import Dataset

from services.scheduling.tests.builders import NOON, Modality, a_query, an_order, changed

pytestmark = pytest.mark.servers
WARD = PatientLocation(point_of_care="4W", room="401", bed="2", facility="MAIN")
UNIT = PatientLocation(point_of_care="ICU", bed="7")


def a_number() -> Identifier:
    return Identifier(value=f"V{uuid4().hex[:8]}", issuer="MAIN")


def on(visit: Identifier, **given: Any) -> OrderPlaced:
    return an_order(clinical=ClinicalPhi(reason="Cough", visit_number=visit), **given)


def updated(
    number: Identifier,
    *patients: UUID,
    state: VisitState | None = VisitState.ADMITTED,
    location: PatientLocation | None = None,
    minute: int = 0,
) -> PatientVisitUpdated:
    return PatientVisitUpdated(
        site="MAIN",
        visit_id=patient_key(UUID(PATIENT_NAMESPACE), f"visit\x1f{number.issuer}", number.value),
        patient_ids=patients,
        state=state,
        patient_class="I",
        updated_at=datetime(2026, 3, 2, 9, minute, tzinfo=UTC),
        visit=VisitPhi(number=number, location=location),
    )


async def entry(modality: Modality, order: OrderPlaced) -> Dataset | None:
    query = a_query()
    query.AccessionNumber = order.accession_number.value
    query.AdmissionID = query.CurrentPatientLocation = query.VisitStatusID = ""
    return next(iter((await modality.asks(query))[0]), None)


async def shows(modality: Modality, order: OrderPlaced, location: str, status: str) -> None:
    async def so() -> bool:
        item = await entry(modality, order)
        said = item and (item.CurrentPatientLocation or "", item.VisitStatusID or "")
        return said == (location, status)

    await eventually(so, within=20, what=f"{order.accession_number.value} at {location!r}, {status!r}")


@pytest.mark.parametrize("first", ["order", "visit"])
async def test_the_worklist_says_where_the_patient_is_whichever_comes_first(
    feed: Feed, modality: Modality, http: httpx.AsyncClient, first: str
) -> None:
    visit = a_number()
    order = on(visit)
    admitted = updated(visit, order.patient_id, location=WARD)
    facts = [order, admitted] if first == "order" else [admitted, order]
    await feed.publish(*facts)
    await shows(modality, order, "4W, 401, 2, MAIN", "ADMITTED")
    found = await entry(modality, order)
    assert found is not None
    assert found.AdmissionID == visit.value
    day = {"station": str(found.ScheduledProcedureStepSequence[0].ScheduledStationAETitle), "day": str(NOON.date())}
    [line] = [
        each
        for each in (await http.get("/api/scheduling/agenda", params=day)).json()["steps"]
        if each["exam_key"] == str(order.order_id)
    ]
    assert line["visit"]["location"]["point_of_care"] == "4W"
    assert (line["visit"]["state"], line["visit"]["patient_class"]) == ("admitted", "I")


async def test_what_was_said_last_of_a_visit_counts_and_what_is_taken_back_is_gone(
    feed: Feed, modality: Modality
) -> None:
    visit = a_number()
    order = on(visit)
    await feed.publish(order, updated(visit, order.patient_id, location=WARD))
    await shows(modality, order, "4W, 401, 2, MAIN", "ADMITTED")
    transfer = updated(visit, order.patient_id, location=UNIT, minute=1)
    [sent] = await feed.publish(transfer)
    await feed.repeat(transfer, sent)
    await shows(modality, order, "ICU, 7", "ADMITTED")
    await feed.publish(updated(visit, order.patient_id, state=VisitState.DISCHARGED, minute=2))
    await shows(modality, order, "", "DISCHARGED")
    await feed.publish(updated(visit, order.patient_id, state=VisitState.CANCELLED, minute=3))
    await shows(modality, order, "", "")
    await feed.publish(updated(visit, order.patient_id, state=VisitState.PLANNED, minute=4))
    await shows(modality, order, "", "SCHEDULED")
    await feed.publish(updated(visit, order.patient_id, state=None, minute=4))
    await shows(modality, order, "", "")


async def test_a_visit_of_the_same_number_of_another_issuer_or_patient_is_another_one(
    feed: Feed, modality: Modality
) -> None:
    visit = a_number()
    order, other = on(visit), on(visit)
    foreign = Identifier(value=visit.value, issuer="NORTH")
    await feed.publish(
        order,
        other,
        updated(foreign, order.patient_id, location=WARD),
        updated(visit, other.patient_id, location=UNIT),
    )
    await shows(modality, other, "ICU, 7", "ADMITTED")
    await shows(modality, order, "", "")


async def test_an_order_on_another_visit_is_shown_with_that_one(feed: Feed, modality: Modality) -> None:
    visit, next_one = a_number(), a_number()
    order = on(visit)
    await feed.publish(
        order,
        updated(visit, order.patient_id, location=WARD),
        updated(next_one, order.patient_id, location=UNIT),
        changed(order, clinical=ClinicalPhi(reason="Cough", visit_number=next_one)),
    )
    await shows(modality, order, "ICU, 7", "ADMITTED")


async def test_after_a_merge_the_newest_of_both_numbers_counts(feed: Feed, modality: Modality) -> None:
    def who(number: str) -> tuple[UUID, PatientPhi]:
        return patient_key(UUID(PATIENT_NAMESPACE), "MAIN", number), person(number, "Sample")

    visit, n = a_number(), uuid4().hex[:8]
    old, survivor = who(f"O{n}"), who(f"S{n}")
    order = on(visit, patient_id=old[0], patient=old[1])
    await feed.publish(
        order,
        updated(visit, old[0], location=WARD),
        updated(visit, survivor[0], location=UNIT, minute=1),
        merged(old, survivor),
    )
    await shows(modality, order, "ICU, 7", "ADMITTED")


async def test_where_nobody_spoke_of_the_visit_the_order_says_where_the_patient_is(
    feed: Feed, modality: Modality
) -> None:
    visit = a_number()
    order = an_order(clinical=ClinicalPhi(visit_number=visit, location=WARD))
    await feed.publish(order)
    await shows(modality, order, "4W, 401, 2, MAIN", "")
    await feed.publish(updated(visit, order.patient_id, location=UNIT, minute=1))
    await shows(modality, order, "ICU, 7", "ADMITTED")
    await feed.publish(updated(visit, order.patient_id, state=VisitState.DISCHARGED, minute=2))
    await shows(modality, order, "", "DISCHARGED")
