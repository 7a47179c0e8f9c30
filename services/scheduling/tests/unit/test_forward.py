"""How passing on goes: sent, tried again, given up."""

from datetime import UTC, datetime, timedelta

import pytest
from scheduling_service.domain.forward import (
    REFUSALS_MAX,
    Forward,
    ForwardState,
    Operation,
    Report,
    Result,
    verdict,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LIMIT = timedelta(days=7)
AWAY, REFUSED = Result("it cannot be reached", away=True), Result("the peer answers 0110H", refused=True)


def a_forward(*, attempts: int = 1, refusals: int = 0, begun: timedelta = timedelta()) -> Forward:
    report = Report(operation=Operation.SET, sop_instance_uid="1.2", transfer_syntax="1.2.840.10008.1.2", content=b"")
    return Forward(
        forward_id=1,
        destination="PACS",
        report=report,
        begun_at=NOON - begun,
        attempts=attempts,
        refusals=refusals,
    )


def test_what_was_taken_is_sent() -> None:
    assert verdict(a_forward(), Result(), NOON, LIMIT).state is ForwardState.SENT


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (5, 16), (7, 60), (10_000, 60)])
def test_pauses_double_up_to_a_minute(attempts: int, seconds: int) -> None:
    found = verdict(a_forward(attempts=attempts), AWAY, NOON, LIMIT)
    assert (found.state, found.due_at) == (ForwardState.WAITING, NOON + timedelta(seconds=seconds))


def test_a_receiver_that_is_away_is_tried_for_days_and_then_given_up() -> None:
    assert verdict(a_forward(begun=LIMIT - timedelta(seconds=1)), AWAY, NOON, LIMIT).state is ForwardState.WAITING
    assert verdict(a_forward(begun=LIMIT), AWAY, NOON, LIMIT).state is ForwardState.FAILED


def test_what_is_refused_again_and_again_is_given_up_sooner() -> None:
    assert verdict(a_forward(refusals=REFUSALS_MAX - 2), REFUSED, NOON, LIMIT).state is ForwardState.WAITING
    assert verdict(a_forward(refusals=REFUSALS_MAX - 1), REFUSED, NOON, LIMIT).state is ForwardState.FAILED
