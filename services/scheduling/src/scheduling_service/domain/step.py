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
    ARRIVED = "ARRIVED"
    """The patient is here; the step is still to be done."""
    MISSED = "MISSED"
    """The patient did not come: off the worklist until there is a new appointment."""
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELLED = "CANCELLED"


class Act(StrEnum):
    """What can happen to a step."""

    BOOK = "book"
    """An appointment is made, or moved."""
    ARRIVE = "arrive"
    MISS = "miss"
    START = "start"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"
    CANCEL = "cancel"
    APPEND = "append"
    """A modality goes on with what one had completed (IHE RAD SWF.b, append case)."""
    PUT_BACK = "put back"
    """What a modality began was meant for another exam."""
    TAKE_AWAY = "take away"
    """The images that it was done for are another exam's: a person said so."""


_TABLE: Final = {
    (StepState.SCHEDULED, Act.ARRIVE): StepState.ARRIVED,
    (StepState.SCHEDULED, Act.MISS): StepState.MISSED,
    (StepState.ARRIVED, Act.START): StepState.STARTED,
    (StepState.ARRIVED, Act.CANCEL): StepState.CANCELLED,
    (StepState.ARRIVED, Act.BOOK): StepState.SCHEDULED,
    # Who comes late after all may be given to the modality as they are.
    (StepState.MISSED, Act.ARRIVE): StepState.ARRIVED,
    (StepState.MISSED, Act.START): StepState.STARTED,
    (StepState.MISSED, Act.CANCEL): StepState.CANCELLED,
    (StepState.MISSED, Act.BOOK): StepState.SCHEDULED,
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
    (StepState.STARTED, Act.TAKE_AWAY): StepState.SCHEDULED,
    (StepState.COMPLETED, Act.TAKE_AWAY): StepState.SCHEDULED,
    (StepState.DISCONTINUED, Act.TAKE_AWAY): StepState.SCHEDULED,
}

WAITING: Final = frozenset({StepState.SCHEDULED, StepState.ARRIVED, StepState.MISSED})
"""Nothing has begun."""
ON_WORKLIST: Final = frozenset({StepState.SCHEDULED, StepState.ARRIVED})
KEEPS_ITS_SLOT: Final = frozenset({StepState.SCHEDULED, StepState.ARRIVED, StepState.STARTED})
"""While an appointment stands nobody else can have its time; one that is missed, cancelled or over gives it back."""

MOVES: Final[Mapping[tuple[StepState, Act], StepState]] = MappingProxyType(_TABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one station is to do for an exam (PS3.3 C.4.10), and where it stands."""

    plan: ScheduledStep
    state: StepState = StepState.SCHEDULED
    booked: bool = False
    """There is an appointment: time and station are the patient's, and nobody else's."""

    @property
    def keeps_its_slot(self) -> bool:
        """Whether nobody else can be booked for this time."""
        return self.booked and self.state in KEEPS_ITS_SLOT

    @property
    def step_id(self) -> str:
        """Scheduled Procedure Step ID (0040,0009)."""
        return self.plan.step_id


def moved(state: StepState, *acts: Act) -> StepState:
    """The state after what happened elsewhere, one thing after the other: what does not fit changes nothing."""
    for act in acts:
        state = MOVES.get((state, act), state)
    return state
