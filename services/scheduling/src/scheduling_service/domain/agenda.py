"""The agenda of a station: when it is open, when it is blocked, and who is to come."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from scheduling_service.domain.catalogue import Station
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.slots import Block, Span
from scheduling_service.domain.step import Step
from scheduling_service.domain.visit import Visit


@dataclass(frozen=True, slots=True)
class StationTime:
    """Some time of a station."""

    site: str
    ae_title: str
    within: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """A step at the station, and the exam that it is of."""

    exam: Exam
    step: Step
    visit: Visit | None = None


@dataclass(frozen=True, slots=True)
class Agenda:
    """What a station has in some time."""

    station: Station
    time_zone: str
    open: list[Span]
    blocks: list[Block]
    entries: list[Entry]


def entries(
    exams: Iterable[Exam], visits: Mapping[str, Visit], ae_titles: Collection[str], within: Span
) -> list[Entry]:
    """The steps at a station by start: those under its own AE title, and under those of its groups.

    `visits` by exam key.
    """
    found = [
        Entry(exam, step, visits.get(exam.key))
        for exam in exams
        for step in exam.steps
        if step.plan.station_ae_title in ae_titles and within.start <= step.plan.starts_at < within.end
    ]
    return sorted(found, key=lambda each: (each.step.plan.starts_at, each.exam.key))
