"""The catalogue, and what is planned by it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fj_events import CodedConcept, OrderDetails, OrderedStep, OrderPlaced
from fj_runtime import SettingsError
from pydantic import ValidationError
from scheduling_service.adapters.catalogue import load_catalogue
from scheduling_service.domain.catalogue import Catalogue, Station
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.planning import Circumstances, plan, replan

from services.scheduling.tests.builders import NOON, an_order

NOW = datetime(2026, 3, 2, 9, 0, 30, 5, tzinfo=UTC)
CATALOGUE = load_catalogue(None)
HERE = Circumstances(catalogue=CATALOGUE, now=NOW, open_steps={})


def details(order: OrderPlaced) -> OrderDetails:
    return OrderDetails.model_validate({name: getattr(order, name) for name in OrderDetails.model_fields})


def planned(circumstances: Circumstances = HERE, **given: Any) -> Exam:
    order = an_order(**given)
    return plan(order.order_id, order.site, details(order), circumstances)


def because(exam: Exam) -> str:
    assert exam.ordered is not None
    return exam.ordered.planned_because


def with_stations(*stations: Station) -> Circumstances:
    return replace(HERE, catalogue=CATALOGUE.model_copy(update={"stations": stations}))


def test_the_packaged_catalogue_has_a_station_for_each_modality_that_it_uses() -> None:
    for procedure in CATALOGUE.procedures:
        for step in procedure.steps:
            assert CATALOGUE.stations_for(step, "MAIN"), procedure.code


def test_a_known_procedure_at_the_time_asked_for() -> None:
    exam = planned()
    (step,) = (step.plan for step in exam.steps)
    assert (step.modality, step.station_ae_title, step.starts_at, step.duration_minutes) == ("CT", "CT1", NOON, 15)
    assert step.description == "CT chest"
    assert [code.code for code in step.protocol] == ["CT-CHEST"]
    assert because(exam) == "at the time asked for; station CT1, the one for CT"


def test_now_to_the_second_when_no_time_was_asked_for() -> None:
    exam = planned(asked_for=None)
    assert exam.steps[0].plan.starts_at == NOW.replace(microsecond=0)
    assert because(exam).startswith("as soon as possible: no time was asked for")


def test_the_modality_of_the_order_wins_over_that_of_the_catalogue() -> None:
    exam = planned(procedure=CodedConcept(code="XRCHEST"), modality="DX")
    assert (exam.steps[0].plan.modality, exam.steps[0].plan.station_ae_title) == ("DX", "DX1")


def test_an_unknown_procedure_by_the_modality_of_the_order() -> None:
    exam = planned(procedure=CodedConcept(code="77", text="A\\B"), modality="MR")
    (step,) = (step.plan for step in exam.steps)
    assert (step.modality, step.station_ae_title, step.duration_minutes, step.description) == ("MR", "MR1", 30, "A/B")
    assert because(exam).endswith("procedure not in the catalogue: modality MR of the order, 30 min by default")


def test_an_unknown_procedure_without_modality_by_default() -> None:
    exam = planned(procedure=CodedConcept(code="77"))
    assert (exam.steps[0].plan.modality, exam.steps[0].plan.station_ae_title) == ("OT", "OT1")
    assert because(exam).endswith("modality OT by default, 30 min by default")


def test_a_modality_without_station() -> None:
    exam = planned(procedure=CodedConcept(code="77"), modality="XC")
    assert (exam.steps[0].plan.modality, exam.steps[0].plan.station_ae_title) == ("XC", "OT1")
    assert "no station for XC: OT1 by default" in because(exam)


def test_the_station_that_the_placer_chose() -> None:
    exam = planned(station_ae_title="CT_NEW")
    assert exam.steps[0].plan.station_ae_title == "CT_NEW"
    assert "station CT_NEW chosen by the placer" in because(exam)


def test_the_least_loaded_station_of_the_site() -> None:
    two = with_stations(
        Station(ae_title="CT1", modality="CT"),
        Station(ae_title="CT2", modality="CT"),
        Station(ae_title="CT3", modality="CT", site="NORTH"),
    )
    assert planned(two).steps[0].plan.station_ae_title == "CT1"
    exam = planned(replace(two, open_steps={"CT1": 2, "CT2": 1}))
    assert exam.steps[0].plan.station_ae_title == "CT2"
    assert "station CT2, least loaded of 2 for CT" in because(exam)


def test_the_steps_of_a_procedure_follow_each_other() -> None:
    exam = planned(procedure=CodedConcept(code="MRARTHRO"))
    first, second = (step.plan for step in exam.steps)
    assert [first.modality, second.modality] == ["RF", "MR"]
    assert second.starts_at == first.starts_at + timedelta(minutes=20)
    assert first.step_id != second.step_id
    assert first.description == "Injection of contrast"


def test_step_ids_are_short_strings_that_planning_again_makes_again() -> None:
    order = an_order()
    once, again = (plan(order.order_id, order.site, details(order), HERE) for _ in range(2))
    assert once == again
    assert len(once.steps[0].step_id) == 16
    assert planned(scheduled_step_id="STEP-1").steps[0].step_id == "STEP-1"
    assert len(planned(scheduled_step_id="X" * 17).steps[0].step_id) == 16


def test_a_change_that_does_not_touch_the_plan_leaves_time_and_station() -> None:
    order = an_order(asked_for=None)
    exam = plan(order.order_id, order.site, details(order), HERE)
    assert exam.ordered is not None
    later = replace(HERE, now=NOW + timedelta(hours=1))
    urgent = details(order).model_copy(update={"priority": "STAT"})
    assert replan(exam, exam.ordered, urgent, later).steps == exam.steps
    other = details(order).model_copy(update={"procedure": CodedConcept(code="MRBRAIN")})
    again = replan(exam, exam.ordered, other, later)
    assert again.steps[0].plan.starts_at == exam.steps[0].plan.starts_at
    assert again.steps[0].plan.modality == "MR"


def test_the_steps_that_the_placer_planned_go_before_the_catalogues() -> None:
    steps = (
        OrderedStep(step_id="S1", modality="MR", station_ae_title="MR9", station_name="Van", station_location="Yard"),
        OrderedStep(step_id="S2", modality="RF", protocol=(CodedConcept(code="MINE"),)),
        OrderedStep(step_id="X" * 17, modality="US"),
    )
    exam = planned(procedure=CodedConcept(code="MRARTHRO", text="MR arthrography"), modality="MR", steps=steps)
    first, second, third = (step.plan for step in exam.steps)
    assert (first.step_id, first.station_ae_title, first.station_name, first.station_location) == (
        "S1",
        "MR9",
        "Van",
        "Yard",
    )
    assert (first.description, first.protocol[0].code, first.duration_minutes) == ("MR of the joint", "MR-ARTHRO", 30)
    assert (second.step_id, second.station_ae_title, second.protocol[0].code) == ("S2", "RF1", "MINE")
    assert second.starts_at == first.starts_at + timedelta(minutes=30)
    assert (third.station_ae_title, third.duration_minutes, len(third.step_id)) == ("US1", 30, 16)
    assert third.description == "MR arthrography"
    assert because(exam).endswith("the steps that the placer planned")


def test_one_step_that_says_more_than_its_order_changes_only_what_it_says() -> None:
    mine = (CodedConcept(code="MINE"),)
    for modality, minutes in (("CT", 15), ("MR", 15)):
        [told] = planned(modality=modality, steps=(OrderedStep(step_id="S1", modality=modality, protocol=mine),)).steps
        assert (told.plan.modality, told.plan.duration_minutes, told.plan.protocol) == (modality, minutes, mine)
        assert (told.step_id, told.plan.description) == ("S1", "CT chest")
    arthrography = CodedConcept(code="MRARTHRO", text="MR arthrography")
    plain = planned(procedure=arthrography, modality=None).steps
    step = OrderedStep(step_id="S2", modality="MR", protocol=mine)
    first, second = planned(procedure=arthrography, modality="MR", steps=(step,)).steps
    assert (first.plan.protocol, second.plan.protocol, second.step_id) == (plain[0].plan.protocol, mine, "S2")
    assert [each.plan.modality for each in (first, second)] == [each.plan.modality for each in plain]
    [strange] = planned(
        procedure=CodedConcept(code="STRANGE"), modality="US", steps=(OrderedStep(protocol=mine),)
    ).steps
    assert (strange.plan.modality, strange.plan.protocol) == ("US", mine)


def test_a_step_goes_to_the_room_of_the_name_that_the_placer_gives() -> None:
    two = with_stations(
        Station(ae_title="CT1", modality="CT", name="Old"), Station(ae_title="CT2", modality="CT", name="New")
    )
    steps = tuple(OrderedStep(modality="CT", station_name=name) for name in ("New", "Elsewhere"))
    assert [step.plan.station_ae_title for step in planned(two, steps=steps).steps] == ["CT2", "CT1"]


def test_procedures_of_one_order_have_each_what_the_catalogue_says_of_them() -> None:
    arthrography = CodedConcept(code="MRARTHRO", text="MR arthrography")
    steps = (OrderedStep(), OrderedStep(procedure=arthrography))
    first, *others = (step.plan for step in planned(steps=steps).steps)
    assert (first.modality, first.description) == ("CT", "CT chest")
    alone = [step.plan for step in planned(procedure=arthrography, modality=None).steps]
    assert [(step.modality, step.description) for step in others] == [(s.modality, s.description) for s in alone]
    assert len({first.step_id, *(step.step_id for step in others)}) == 3


def test_a_step_of_a_procedure_of_its_own_is_named_by_it() -> None:
    head = OrderedStep(modality="CT", step_id="S2", procedure=CodedConcept(code="UNKNOWN", text="CT of the head"))
    steps = (OrderedStep(modality="CT", step_id="S1"), head)
    assert [step.plan.description for step in planned(steps=steps).steps] == ["CT chest", "CT of the head"]


def test_a_step_begins_when_the_placer_wants_it_and_never_before_the_one_in_front_of_it_is_over() -> None:
    later, too_early = NOON + timedelta(hours=2), NOON + timedelta(hours=2, minutes=1)
    steps = tuple(OrderedStep(modality="CT", asked_for=at) for at in (None, later, too_early))
    starts = [step.plan.starts_at for step in planned(steps=steps).steps]
    assert starts[:2] == [NOON, later]
    assert starts[2] > too_early


def test_other_steps_are_planned_anew_and_the_same_ones_stay() -> None:
    steps = tuple(OrderedStep(step_id=f"S{nth}", modality="CT") for nth in (1, 2))
    order = an_order(steps=steps)
    exam = plan(order.order_id, order.site, details(order), HERE)
    assert exam.ordered is not None
    later = replace(HERE, now=NOW + timedelta(hours=1))
    assert replan(exam, exam.ordered, details(order), later).steps == exam.steps
    fewer = details(order).model_copy(update={"steps": ()})
    assert len(replan(exam, exam.ordered, fewer, later).steps) == 1


PROCEDURE = "{code: X, text: x, steps: [{modality: CT, duration_minutes: 5}]}"
GROUPED = "procedures: []\nstations: [{ae_title: CT1, modality: CT}, {ae_title: MR1, modality: MR, site: NORTH}]\n"
BROKEN = {
    "group C has what is no station of its site: CT2": f"{GROUPED}groups: [{{ae_title: C, stations: [CT1, CT2]}}]",
    "no station of its site: MR1": f"{GROUPED}groups: [{{ae_title: MR_ALL, site: SOUTH, stations: [MR1]}}]",
    "group ALL is of more than one modality: CT, MR": f"{GROUPED}groups: [{{ae_title: ALL, stations: [CT1, MR1]}}]",
    "are a station and a group: CT1": f"{GROUPED}groups: [{{ae_title: CT1, stations: [CT1]}}]",
    "stands more than once: ('C', None)": f"{GROUPED}groups: [{', '.join(['{ae_title: C, stations: [CT1]}'] * 2)}]",
    "groups.0.ae_title": f"{GROUPED}groups: [{{ae_title: CT*, stations: [CT1]}}]",
    "groups.0.stations": f"{GROUPED}groups: [{{ae_title: CT_ALL, stations: []}}]",
    "stations.0.ae_title": "stations: [{ae_title: A_TITLE_THAT_IS_TOO_LONG, modality: CT}]\nprocedures: []\n",
    "default": "stations: []\nprocedures: []\n",
    "stands more than once: X": f"stations: []\nprocedures: [{', '.join([PROCEDURE] * 2)}]\n",
    "could not": "stations: [",
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_catalogue_that_does_not_fit_is_refused_with_place_and_reason(reason: str, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    default = "default: {modality: OT, duration_minutes: 30, station: OT1}\n"
    file.write_text(BROKEN[reason] if reason == "default" else default + BROKEN[reason])
    with pytest.raises(SettingsError) as refused:
        load_catalogue(file)
    assert "SCHEDULING_CATALOGUE" in str(refused.value)
    assert reason == "could not" or reason in str(refused.value)


def test_another_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text("default: {modality: CT, duration_minutes: 5, station: CT9}\nstations: []\nprocedures: []\n")
    assert load_catalogue(file) == Catalogue.model_validate(
        {
            "default": {"modality": "CT", "duration_minutes": 5, "station": "CT9"},
            "stations": (),
            "procedures": (),
        }
    )


def test_an_order_of_several_procedures_has_the_steps_of_all_one_after_the_other() -> None:
    exam = planned(procedure=CodedConcept(code="CTTRAUMA", system="L"))
    assert [(step.plan.description, step.plan.starts_at - NOON) for step in exam.steps] == [
        ("CT head", timedelta()),
        ("CT chest", timedelta(minutes=15)),
        ("CT abdomen and pelvis", timedelta(minutes=30)),
    ]
    assert len({step.step_id for step in exam.steps}) == 3
    assert exam.ordered is not None
    assert exam.ordered.procedure.text == "CT trauma"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "X", "text": "X"},
        {"code": "X", "text": "X", "procedures": ["NONE"]},
        {"code": "X", "text": "X", "procedures": ["CTTRAUMA"]},
        {"code": "X", "text": "X", "steps": [{"modality": "CT", "duration_minutes": 5, "stations": ["MR1"]}]},
        {"code": "X", "text": "X", "steps": [{"modality": "CT", "duration_minutes": 5, "group": "CT_ALL"}]},
    ],
)
def test_a_procedure_of_parts_or_rooms_that_there_are_not_is_refused(wrong: dict[str, Any]) -> None:
    content = CATALOGUE.model_dump(mode="json")
    with pytest.raises(ValidationError):
        Catalogue.model_validate(content | {"procedures": [*content["procedures"], wrong]})
