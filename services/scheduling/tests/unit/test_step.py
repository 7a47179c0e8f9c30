"""The table of moves, tried exhaustively."""

import itertools

import pytest
from scheduling_service.domain.performed import PerformedStatus, after
from scheduling_service.domain.step import MOVES, Act, StepState, moved

EXPECTED = {
    (StepState.SCHEDULED, Act.ARRIVE): StepState.ARRIVED,
    (StepState.SCHEDULED, Act.MISS): StepState.MISSED,
    (StepState.ARRIVED, Act.START): StepState.STARTED,
    (StepState.ARRIVED, Act.CANCEL): StepState.CANCELLED,
    (StepState.ARRIVED, Act.BOOK): StepState.SCHEDULED,
    (StepState.MISSED, Act.ARRIVE): StepState.ARRIVED,
    (StepState.MISSED, Act.START): StepState.STARTED,
    (StepState.MISSED, Act.CANCEL): StepState.CANCELLED,
    (StepState.MISSED, Act.BOOK): StepState.SCHEDULED,
    (StepState.SCHEDULED, Act.START): StepState.STARTED,
    (StepState.SCHEDULED, Act.CANCEL): StepState.CANCELLED,
    (StepState.STARTED, Act.COMPLETE): StepState.COMPLETED,
    (StepState.STARTED, Act.DISCONTINUE): StepState.DISCONTINUED,
    (StepState.CANCELLED, Act.START): StepState.STARTED,
    (StepState.DISCONTINUED, Act.START): StepState.STARTED,
    (StepState.COMPLETED, Act.APPEND): StepState.STARTED,
    (StepState.STARTED, Act.PUT_BACK): StepState.SCHEDULED,
    (StepState.DISCONTINUED, Act.PUT_BACK): StepState.SCHEDULED,
    (StepState.STARTED, Act.TAKE_AWAY): StepState.SCHEDULED,
    (StepState.COMPLETED, Act.TAKE_AWAY): StepState.SCHEDULED,
    (StepState.DISCONTINUED, Act.TAKE_AWAY): StepState.SCHEDULED,
}


@pytest.mark.parametrize(("state", "act"), list(itertools.product(StepState, Act)))
def test_every_pair_moves_as_the_table_says_or_not_at_all(state: StepState, act: Act) -> None:
    assert moved(state, act) is EXPECTED.get((state, act), state)


def test_only_what_is_appended_or_another_exams_leaves_completed() -> None:
    assert [act for state, act in MOVES if state is StepState.COMPLETED] == [Act.APPEND, Act.TAKE_AWAY]


DOING, DONE, GIVEN_UP = PerformedStatus.IN_PROGRESS, PerformedStatus.COMPLETED, PerformedStatus.DISCONTINUED
AFTER = [
    ((), StepState.SCHEDULED),
    ((DOING,), StepState.STARTED),
    ((DONE,), StepState.COMPLETED),
    ((GIVEN_UP,), StepState.DISCONTINUED),
    ((DONE, DOING), StepState.STARTED),
    ((GIVEN_UP, DOING), StepState.STARTED),
    ((GIVEN_UP, DONE), StepState.COMPLETED),
    ((GIVEN_UP, GIVEN_UP), StepState.DISCONTINUED),
]


@pytest.mark.parametrize(("performed", "expected"), AFTER)
def test_what_was_performed_decides_whatever_came_first(
    performed: tuple[PerformedStatus, ...], expected: StepState
) -> None:
    for given in itertools.permutations(performed):
        state = after(StepState.SCHEDULED, given)
        assert state is expected
        assert after(state, given) is expected


@pytest.mark.parametrize("status", PerformedStatus)
def test_a_completed_step_stays_completed(status: PerformedStatus) -> None:
    assert after(StepState.COMPLETED, [status]) is StepState.COMPLETED


@pytest.mark.parametrize("status", PerformedStatus)
def test_what_is_performed_after_a_cancel_was_performed(status: PerformedStatus) -> None:
    assert after(StepState.CANCELLED, [status]) is after(StepState.SCHEDULED, [status])
