"""The life of an order: one table."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from order_service.domain.errors import NotPossible


class Life(StrEnum):
    """Where an order stands."""

    ORDERED = "ORDERED"
    HELD = "HELD"
    """Not to be performed before it is released."""
    CANCELLED = "CANCELLED"
    IN_PROGRESS = "IN_PROGRESS"
    PERFORMED = "PERFORMED"
    DISCONTINUED = "DISCONTINUED"
    COMPLETED = "COMPLETED"


class Act(StrEnum):
    """What can happen to an order."""

    CHANGE = "change"
    """The placer wants it otherwise (XO)."""
    CANCEL = "cancel"
    """The placer takes it back (CA, DC)."""
    REPLACE = "replace"
    """The placer wants another order in its place (RP)."""
    HOLD = "hold"
    """The placer wants it to wait (HD)."""
    RELEASE = "release"
    """It need not wait any longer (RL)."""
    NUMBER = "number"
    """Its placer gives it a number (NA); where it stands does not matter."""
    REINSTATE = "reinstate"
    """The exam had started before the cancel, change or hold arrived: the exam wins."""
    START = "start"
    PERFORM = "perform"
    DISCONTINUE = "discontinue"
    COMPLETE = "complete"
    """The newest final report is where it is wanted."""
    PUT_BACK = "put back"
    """What was done for it was another exam: its own is still to be done."""


_TABLE: Final = {
    (Life.ORDERED, Act.CHANGE): Life.ORDERED,
    (Life.ORDERED, Act.CANCEL): Life.CANCELLED,
    (Life.ORDERED, Act.REPLACE): Life.CANCELLED,
    (Life.ORDERED, Act.HOLD): Life.HELD,
    (Life.ORDERED, Act.REINSTATE): Life.IN_PROGRESS,
    (Life.ORDERED, Act.START): Life.IN_PROGRESS,
    (Life.ORDERED, Act.PERFORM): Life.PERFORMED,
    (Life.ORDERED, Act.DISCONTINUE): Life.DISCONTINUED,
    (Life.ORDERED, Act.COMPLETE): Life.COMPLETED,
    (Life.HELD, Act.CHANGE): Life.HELD,
    (Life.HELD, Act.CANCEL): Life.CANCELLED,
    (Life.HELD, Act.REPLACE): Life.CANCELLED,
    (Life.HELD, Act.HOLD): Life.HELD,
    # A modality that begins all the same overrules the hold.
    (Life.HELD, Act.REINSTATE): Life.IN_PROGRESS,
    (Life.HELD, Act.START): Life.IN_PROGRESS,
    (Life.HELD, Act.PERFORM): Life.PERFORMED,
    (Life.HELD, Act.DISCONTINUE): Life.DISCONTINUED,
    (Life.HELD, Act.COMPLETE): Life.COMPLETED,
    (Life.HELD, Act.RELEASE): Life.ORDERED,
    # A release only says that nothing is to wait: where nothing does, it is granted and changes nothing.
    (Life.ORDERED, Act.RELEASE): Life.ORDERED,
    (Life.IN_PROGRESS, Act.RELEASE): Life.IN_PROGRESS,
    (Life.PERFORMED, Act.RELEASE): Life.PERFORMED,
    (Life.DISCONTINUED, Act.RELEASE): Life.DISCONTINUED,
    (Life.COMPLETED, Act.RELEASE): Life.COMPLETED,
    (Life.CANCELLED, Act.CANCEL): Life.CANCELLED,
    # A cancelled order whose exam goes on waits for `exam.cancel_refused`; a report contradicts the cancel.
    (Life.CANCELLED, Act.REINSTATE): Life.IN_PROGRESS,
    (Life.CANCELLED, Act.COMPLETE): Life.COMPLETED,
    (Life.IN_PROGRESS, Act.REINSTATE): Life.IN_PROGRESS,
    (Life.IN_PROGRESS, Act.PERFORM): Life.PERFORMED,
    (Life.IN_PROGRESS, Act.DISCONTINUE): Life.DISCONTINUED,
    (Life.IN_PROGRESS, Act.COMPLETE): Life.COMPLETED,
    (Life.PERFORMED, Act.REINSTATE): Life.PERFORMED,
    (Life.PERFORMED, Act.COMPLETE): Life.COMPLETED,
    # A discontinued exam can be taken up again, and its images can be reported.
    (Life.DISCONTINUED, Act.REINSTATE): Life.DISCONTINUED,
    (Life.DISCONTINUED, Act.START): Life.IN_PROGRESS,
    (Life.DISCONTINUED, Act.PERFORM): Life.PERFORMED,
    (Life.DISCONTINUED, Act.COMPLETE): Life.COMPLETED,
    (Life.COMPLETED, Act.REINSTATE): Life.COMPLETED,
    (Life.IN_PROGRESS, Act.PUT_BACK): Life.ORDERED,
    (Life.PERFORMED, Act.PUT_BACK): Life.ORDERED,
    (Life.DISCONTINUED, Act.PUT_BACK): Life.ORDERED,
    (Life.COMPLETED, Act.PUT_BACK): Life.ORDERED,
    **{(life, Act.NUMBER): life for life in Life},
}

MOVES: Final[Mapping[tuple[Life, Act], Life]] = MappingProxyType(_TABLE)


def move(life: Life, act: Act) -> Life:
    """The state after `act`. Raises NotPossible, which names both, when the table has no such move."""
    try:
        return MOVES[life, act]
    except KeyError:
        raise NotPossible(life, act) from None


def moved(life: Life, act: Act) -> Life:
    """The state after a fact that happened elsewhere: one that does not fit changes nothing."""
    return MOVES.get((life, act), life)
