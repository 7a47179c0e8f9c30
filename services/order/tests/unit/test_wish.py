"""Which of two messages about one order is the newer one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from order_service.domain.order import Heard
from order_service.domain.wish import is_older

NINE, TEN = datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC)


def heard(said_at: datetime | None, transaction_at: datetime | None = None) -> Heard:
    return Heard(said_at=said_at, transaction_at=transaction_at)


@pytest.mark.parametrize(
    ("this", "newest", "older"),
    [
        (heard(NINE), heard(TEN), True),
        (heard(TEN), heard(NINE), False),
        (heard(NINE), heard(NINE), False),
        (heard(None), heard(TEN), False),
        (heard(NINE), heard(None), False),
        (heard(TEN, NINE), heard(NINE, TEN), True),
        (heard(NINE, TEN), heard(TEN, NINE), False),
        (heard(NINE, NINE), heard(TEN, NINE), True),
        (heard(TEN, NINE), heard(TEN), False),
        (heard(TEN), heard(NINE, TEN), False),
    ],
)
def test_the_time_of_the_wish_decides_then_that_of_the_message(this: Heard, newest: Heard, older: bool) -> None:
    assert is_older(this, newest) is older


@pytest.mark.parametrize(
    ("this", "newest", "older"),
    [
        (replace(heard(NINE), came_at=NINE), replace(heard(NINE), came_at=TEN), True),
        (replace(heard(None), came_at=NINE), replace(heard(NINE), came_at=TEN), True),
        (replace(heard(TEN), came_at=NINE), replace(heard(NINE), came_at=TEN), False),
        (replace(heard(NINE), came_at=TEN), replace(heard(NINE), came_at=TEN), False),
        (heard(NINE), replace(heard(NINE), came_at=TEN), False),
    ],
)
def test_what_is_read_again_is_as_new_as_when_it_came_where_nothing_else_tells(
    this: Heard, newest: Heard, older: bool
) -> None:
    assert is_older(this, newest) is older
