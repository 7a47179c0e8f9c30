"""Order, images, their match and the readings come in every order: the order's report is the same in the end."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from reporting_service import handlers
from reporting_service.domain.report import Status
from reporting_service.ports import Reports

from services.reporting.tests.room import Exam, Numbers, Room

if TYPE_CHECKING:
    from services.reporting.tests.room import Pool

pytestmark = pytest.mark.servers
STEPS = ("placed", "received", "matched", "available", "P", "F")
NAMED_BY: dict[str, Callable[[Exam], Numbers]] = {
    "order": lambda exam: Numbers(accession=exam.accession, placer=exam.placer),
    "images": lambda exam: Numbers(accession=exam.number),
    "uid": lambda exam: Numbers(study=exam.uid),
}


def arrivals() -> Iterator[tuple[str, ...]]:
    """Every order that the log allows: facts of one study come in theirs, and nobody signs before a preliminary."""
    for steps in itertools.permutations(STEPS):
        at = steps.index
        if at("received") < min(at("matched"), at("available")) and at("P") < at("F"):
            yield steps


def doing(step: str, exam: Exam, numbers: Numbers) -> Callable[[Reports], Awaitable[None]]:
    if step in "PF":
        reading = exam.reading(Status(step), numbers)
        return lambda reports: handlers.file_reading(reading, reports)
    acts: dict[str, Callable[[Reports], Awaitable[None]]] = {
        "placed": lambda reports: handlers.on_order(exam.order(), reports),
        "received": lambda reports: handlers.on_study(exam.received(), reports),
        "matched": lambda reports: handlers.on_matched(exam.matched(), reports),
        "available": lambda reports: handlers.on_study(exam.available(), reports),
    }
    return acts[step]


def assert_the_orders_report(exam: Exam, steps: tuple[str, ...], facts: list[tuple[str, dict[str, Any]]]) -> None:
    named = [kind for kind, body in facts if body.get("order_id") == str(exam.order_id)]
    kind, last = facts[-1]
    assert [body["version"] for _, body in facts] == list(range(1, len(facts) + 1)), steps
    assert (kind, last["order_id"]) == ("report.finalized.v1", str(exam.order_id)), steps
    assert last["placer_order_number"]["value"] == exam.placer.value, steps
    assert named.count("report.finalized.v1") == 1, steps
    if steps.index("matched") < steps.index("available"):  # then nobody has to do without the order's numbers
        assert named == ["report.preliminary.v1", "report.finalized.v1"], steps


@pytest.mark.parametrize("by", NAMED_BY)
async def test_the_report_is_the_orders_whatever_comes_first(by: str, pool: "Pool") -> None:
    room = Room(pool)
    for steps in arrivals():
        exam = Exam()
        numbers = NAMED_BY[by](exam)
        for step in steps:
            await room.does(doing(step, exam, numbers))
        assert_the_orders_report(exam, steps, await room.given_out(exam))
    assert await pool.fetchval("SELECT count(*) FROM waiting") == 0
