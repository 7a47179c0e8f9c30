"""Events are state changes: what the facts on the log say, folded here, is what the rooms answer."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from fj_simulators import Clinic, Exam
from fj_testing import Log, Record, eventually

TOPICS: Final = ("order-events", "exam-events", "study-events", "report-events")
ORDERED: Final = (
    "accession_number",
    "placer_order_number",
    "study_instance_uid",
    "procedure",
    "modality",
    "priority",
)
"""What the newest `order.placed` or `order.changed` says of an order, and its room answers."""
STOPS: Final = {"held": "HELD", "cancelled": "CANCELLED", "completed": "COMPLETED"}
MOVES: Final = {
    "scheduled": "SCHEDULED",
    "arrived": "ARRIVED",
    "missed": "MISSED",
    "started": "STARTED",
    "completed": "COMPLETED",
    "discontinued": "DISCONTINUED",
    "cancelled": "CANCELLED",
}
REPORTS: Final = {"preliminary": "P", "finalized": "F", "amended": "C"}


@dataclass
class Told:
    """What the facts of one topic and key add up to."""

    state: str | None = None
    """Of an order only how its own room stopped it; of a study, whether it is available."""
    body: dict[str, Any] = field(default_factory=dict)
    """The newest whole plan, order or report."""
    order_id: str | None = None
    instances: int | None = None


def _order(told: Told, act: str, body: dict[str, Any]) -> None:
    if act in {"placed", "changed"}:
        told.body = body
    else:
        told.state = STOPS.get(act)


def _exam(told: Told, act: str, body: dict[str, Any]) -> None:
    told.order_id = body.get("order_id") or told.order_id
    if "steps" in body:
        told.body = body
    if act == "put_back":
        told.state = body["state"]
    elif act == "rescheduled" and (told.state != "ARRIVED" or body.get("appointment") in {"booked", "moved"}):
        told.state = "SCHEDULED"
    else:
        told.state = MOVES.get(act, told.state)


def _study(told: Told, act: str, body: dict[str, Any]) -> None:
    if act in {"matched", "unmatched", "relinked"}:
        told.order_id = body.get("order_id")
    told.instances = body.get("number_of_instances", told.instances) if act != "damaged" else told.instances
    told.state = "available" if act == "available" else told.state


def _report(told: Told, act: str, body: dict[str, Any]) -> None:
    told.order_id = body.get("order_id")
    told.state, told.body = act, body


FOLDS: Final = {"order-events": _order, "exam-events": _exam, "study-events": _study, "report-events": _report}


def folded(records: Iterable[Record]) -> dict[str, dict[str, Told]]:
    """What the log says, by topic and key."""
    all_told: dict[str, dict[str, Told]] = {topic: defaultdict(Told) for topic in TOPICS}
    for record in records:
        FOLDS[record.topic](all_told[record.topic][record.key], record.type.split(".")[1], record.body)
    return all_told


async def assert_events_are_the_state(clinic: Clinic, log: Log, exams: Sequence[Exam]) -> None:
    """Of every order, exam, study and report of these exams the log says what its room answers."""
    await eventually(partial(_is_the_state, clinic, log, exams), within=30, every=1, what="the log is the state")


async def _is_the_state(clinic: Clinic, log: Log, exams: Sequence[Exam]) -> bool:
    told = folded(await log.read(*TOPICS))
    numbers = {exam.placer_order_number for exam in exams}
    mine = {key: order for key, order in told["order-events"].items() if _placer_number(order) in numbers}
    assert len(mine) == len(numbers), (len(mine), numbers)
    reports = {report.order_id: report for report in told["report-events"].values() if report.order_id in mine}
    asked = asyncio.Semaphore(4)

    async def compare(path: str, told: Told, differences: Differences) -> str | None:
        async with asked:
            answer = (await clinic.http.get(path)).json()
        wrong = {name: pair for name, pair in differences(told, answer).items() if pair[0] != pair[1]}
        return f"{path}: {wrong}" if wrong else None

    compared = await asyncio.gather(
        *(compare(f"/api/order/orders/{key}", order, _of_an_order) for key, order in mine.items()),
        *(compare(f"/api/reporting/exams/{key}", reports.get(key, Told()), _of_a_report) for key in mine),
        *(
            compare(f"/api/scheduling/exams/{key}", exam, _of_an_exam)
            for key, exam in told["exam-events"].items()
            if exam.order_id in mine
        ),
        *(
            compare(f"/api/storage/studies/{uid}", study, _of_a_study)
            for uid, study in told["study-events"].items()
            if study.order_id in mine and study.state
        ),
    )
    assert not any(compared), list(filter(None, compared))
    return True


Differences = Callable[[Told, dict[str, Any]], dict[str, tuple[Any, Any]]]
"""By name: what the log says, and what the room answers."""


def _of_an_order(told: Told, answer: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    stopped = answer["state"] if answer["state"] in STOPS.values() else None
    said = {name: (_bare(told.body.get(name)), _bare(answer[name])) for name in ORDERED}
    return {"state": (told.state, stopped), **said}


def _of_an_exam(told: Told, answer: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    plans = [[_plan(step) for step in steps] for steps in (told.body.get("steps", ()), answer["steps"])]
    return {"state": (told.state, answer["state"]), "steps": (plans[0], plans[1])}


def _of_a_study(told: Told, answer: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        "order": (told.order_id, answer["order_id"]),
        "instances": (told.instances, answer["number_of_instances"]),
    }


def _of_a_report(told: Told, answer: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    report = answer["report"] or {}
    given_out = told.body if told.state in REPORTS else {}
    return {
        "status": (REPORTS.get(told.state or ""), report.get("status")),
        "version": (given_out.get("version"), report.get("version")),
        "text": (given_out.get("content", {}).get("text"), report.get("text")),
    }


def _placer_number(order: Told) -> str | None:
    number = order.body.get("placer_order_number")
    return number["value"] if number else None


def _plan(step: dict[str, Any]) -> tuple[str, str, datetime]:
    return step["step_id"], step["station_ae_title"], datetime.fromisoformat(step["starts_at"])


def _bare(value: Any) -> Any:
    """Facts leave out what is not there."""
    return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value
