"""The life of an order, every state against every act."""

import itertools

import pytest
from order_service.domain.errors import NotPossible
from order_service.domain.life import MOVES, Act, Life, move, moved

ALL = list(itertools.product(Life, Act))


@pytest.mark.parametrize(("life", "act"), [pair for pair in ALL if pair in MOVES])
def test_what_the_table_lists_is_done(life: Life, act: Act) -> None:
    assert move(life, act) is moved(life, act) is MOVES[life, act]


@pytest.mark.parametrize(("life", "act"), [pair for pair in ALL if pair not in MOVES])
def test_what_the_table_lacks_is_refused_by_name_and_as_a_fact_changes_nothing(life: Life, act: Act) -> None:
    with pytest.raises(NotPossible, match=f"{life}.*{act}"):
        move(life, act)
    assert moved(life, act) is life


def test_a_placer_can_change_cancel_replace_or_hold_only_before_the_start() -> None:
    wishes = {Act.CHANGE, Act.CANCEL, Act.REPLACE, Act.HOLD}
    moved_by_wish = {life for (life, act), after in MOVES.items() if act in wishes and after is not life}
    assert moved_by_wish == {Life.ORDERED, Life.HELD}


def test_a_hold_outlasts_nothing_that_is_done_for_the_order() -> None:
    assert {moved(Life.HELD, act) for act in (Act.START, Act.REINSTATE)} == {Life.IN_PROGRESS}
    assert move(Life.HELD, Act.RELEASE) is Life.ORDERED


def test_nothing_leaves_completed_but_that_it_was_another_orders() -> None:
    leaves = {act for (life, act), state in MOVES.items() if life is Life.COMPLETED and state is not Life.COMPLETED}
    assert leaves == {Act.PUT_BACK}


@pytest.mark.parametrize("life", Life)
def test_a_delivered_report_completes_every_order(life: Life) -> None:
    assert moved(life, Act.COMPLETE) is Life.COMPLETED
