"""When a study is complete, and by what evidence (law 9).

| performed steps (MPPS) | what they list | then |
|---|---|---|
| one is in progress | any | waits for its end, at most `step_limit` after the last sign of life, then as below |
| one completed, none in progress | something, and all of it is here | complete now: `mpps` |
| the same, of an order that is on its way here (decision 21) | the same | waits for it, at most the quiet time |
| ended | something that is not here | complete after the quiet time: `incomplete` |
| none, or they list nothing | any | complete after the quiet time: `quiet_time` |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from fj_events import Completeness


class StepState(StrEnum):
    """The state of a performed step, as far as storage needs it (PS3.3 C.4.14, 0040,0252)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


ENDED: Final = frozenset({StepState.COMPLETED, StepState.DISCONTINUED})


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known about the making of a study."""

    last_instance_at: datetime
    """When the last instance was acknowledged to the device."""
    heard_at: datetime
    """When this service last learned of an instance or of a step: the quiet time runs from here."""
    steps: tuple[StepState, ...] = ()
    """Of every MPPS that is about this study."""
    ended_at: datetime | None = None
    """When the last of them ended."""
    listed: int = 0
    """Instances that the ended steps list, each once."""
    listed_here: int = 0
    """How many of those are here."""
    order_to_come: bool = False
    """A step is of an order, or the images carry the number of one, that has not been heard of yet (decision 21)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long storage waits."""

    quiet_time: timedelta
    step_limit: timedelta


@dataclass(frozen=True, slots=True)
class Complete:
    """The study is complete."""

    completeness: Completeness
    reason: str
    expected_instances: int | None
    last_evidence_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet: look again then."""

    until: datetime


def assess(progress: Progress, patience: Patience, now: datetime) -> Complete | Waiting:
    """Whether the study is complete at `now`; the table stands at the head of this module."""
    going_on = StepState.IN_PROGRESS in progress.steps
    all_here = not going_on and StepState.COMPLETED in progress.steps and 0 < progress.listed == progress.listed_here
    until = progress.heard_at + (patience.step_limit if going_on else patience.quiet_time)
    if all_here and (now >= until or not progress.order_to_come):
        return _by_list(progress)
    if now < until:
        return Waiting(until)
    if progress.listed > progress.listed_here:
        reason = f"incomplete {progress.listed_here} of {progress.listed}"
        return Complete(Completeness.INCOMPLETE, reason, progress.listed, until)
    reason = f"quiet for {_seconds(until - progress.heard_at)} s{_about(progress.steps)}"
    return Complete(Completeness.QUIET_TIME, reason, progress.listed or None, until)


def _by_list(progress: Progress) -> Complete:
    last = max(progress.last_instance_at, progress.ended_at or progress.last_instance_at)
    return Complete(Completeness.MPPS, f"mpps lists {progress.listed}, all here", progress.listed, last)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g}"


def _about(steps: Iterable[StepState]) -> str:
    known = sorted(set(steps) - {StepState.SCHEDULED})
    return f", mpps {' and '.join(known).lower()}" if known else ", no mpps"
