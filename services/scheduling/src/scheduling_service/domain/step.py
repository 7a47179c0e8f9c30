"""A scheduled procedure step and the moves that it can make."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fj_events import ScheduledStep


class StepState(StrEnum):
    """Scheduled Procedure Step Status (0040,0020), and the state of a whole exam."""

    SCHEDULED = "SCHEDULED"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELLED = "CANCELLED"


class Act(StrEnum):
    """What can happen to a step."""

    START = "start"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"
    CANCEL = "cancel"
    APPEND = "append"
    """A modality goes on with what one had completed (IHE RAD SWF.b, append case)."""
    PUT_BACK = "put back"
    """What a modality began was meant for another exam."""


_TABLE: Final = {
    (StepState.SCHEDULED, Act.START): StepState.STARTED,
    (StepState.SCHEDULED, Act.CANCEL): StepState.CANCELLED,
    (StepState.STARTED, Act.COMPLETE): StepState.COMPLETED,
    (StepState.STARTED, Act.DISCONTINUE): StepState.DISCONTINUED,
    # The exam wins over a cancel, and a modality may resume what it gave up (PS3.4 F.7.2.2.2, note).
    (StepState.CANCELLED, Act.START): StepState.STARTED,
    (StepState.DISCONTINUED, Act.START): StepState.STARTED,
    (StepState.COMPLETED, Act.APPEND): StepState.STARTED,
    (StepState.STARTED, Act.PUT_BACK): StepState.SCHEDULED,
    (StepState.DISCONTINUED, Act.PUT_BACK): StepState.SCHEDULED,
}

MOVES: Final[Mapping[tuple[StepState, Act], StepState]] = MappingProxyType(_TABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one station is to do for an exam (PS3.3 C.4.10), and where it stands."""

    plan: ScheduledStep
    state: StepState = StepState.SCHEDULED

    @property
    def step_id(self) -> str:
        """Scheduled Procedure Step ID (0040,0009)."""
        return self.plan.step_id


def moved(state: StepState, *acts: Act) -> StepState:
    """The state after what happened elsewhere, one thing after the other: what does not fit changes nothing."""
    for act in acts:
        state = MOVES.get((state, act), state)
    return state
