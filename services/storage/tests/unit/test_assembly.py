"""The completeness table, line by line."""

from datetime import UTC, datetime, timedelta

import pytest
from storage_service.domain.assembly import Complete, Patience, Progress, StepState, Waiting, assess

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
QUIET, LIMIT = timedelta(seconds=60), timedelta(hours=4)
PATIENCE = Patience(QUIET, LIMIT)
GOING, DONE, GIVEN_UP = StepState.IN_PROGRESS, StepState.COMPLETED, StepState.DISCONTINUED


@pytest.mark.parametrize(
    ("steps", "listed", "here", "after", "outcome"),
    [
        ((), 0, 0, QUIET, ("quiet_time", "quiet for 60 s, no mpps")),
        ((), 0, 0, QUIET - timedelta(seconds=1), AT + QUIET),
        ((StepState.SCHEDULED,), 0, 0, QUIET, ("quiet_time", "quiet for 60 s, no mpps")),
        ((GOING,), 0, 0, QUIET, AT + LIMIT),
        ((GOING,), 0, 0, LIMIT, ("quiet_time", "quiet for 14400 s, mpps in progress")),
        ((DONE,), 3, 3, timedelta(), ("mpps", "mpps lists 3, all here")),
        ((DONE,), 3, 2, timedelta(), AT + QUIET),
        ((DONE,), 3, 2, QUIET, ("incomplete", "incomplete 2 of 3")),
        ((DONE,), 0, 0, timedelta(), AT + QUIET),
        ((DONE,), 0, 0, QUIET, ("quiet_time", "quiet for 60 s, mpps completed")),
        ((DONE, GOING), 3, 3, QUIET, AT + LIMIT),
        ((DONE, DONE), 6, 6, timedelta(), ("mpps", "mpps lists 6, all here")),
        ((GIVEN_UP,), 3, 3, timedelta(), AT + QUIET),
        ((GIVEN_UP,), 3, 3, QUIET, ("quiet_time", "quiet for 60 s, mpps discontinued")),
        ((GIVEN_UP,), 3, 1, QUIET, ("incomplete", "incomplete 1 of 3")),
        ((DONE, GIVEN_UP), 4, 4, timedelta(), ("mpps", "mpps lists 4, all here")),
    ],
)
def test_a_study_is_complete_by_its_evidence(
    steps: tuple[StepState, ...],
    listed: int,
    here: int,
    after: timedelta,
    outcome: tuple[str, str] | datetime,
) -> None:
    progress = Progress(AT, AT, steps, AT if steps else None, listed, here)
    verdict = assess(progress, PATIENCE, AT + after)
    if isinstance(outcome, datetime):
        assert verdict == Waiting(outcome)
    else:
        assert isinstance(verdict, Complete)
        assert (verdict.completeness, verdict.reason) == outcome


def test_a_study_waits_for_the_order_of_its_step_as_long_as_for_silence() -> None:
    progress = Progress(AT, AT, (DONE,), AT, 3, 3, order_to_come=True)
    assert assess(progress, PATIENCE, AT) == Waiting(AT + QUIET)
    closed = assess(progress, PATIENCE, AT + QUIET)
    assert isinstance(closed, Complete)
    assert (closed.completeness, closed.reason, closed.last_evidence_at) == ("mpps", "mpps lists 3, all here", AT)


def test_the_last_evidence_is_what_closed_the_study() -> None:
    ended = AT + timedelta(seconds=5)
    by_list = assess(Progress(AT, AT, (DONE,), ended, 1, 1), PATIENCE, ended)
    assert isinstance(by_list, Complete)
    assert by_list.last_evidence_at == ended
    late_image = assess(Progress(ended, ended, (DONE,), AT, 1, 1), PATIENCE, ended)
    assert isinstance(late_image, Complete)
    assert late_image.last_evidence_at == ended
    by_silence = assess(Progress(AT, ended), PATIENCE, ended + QUIET + timedelta(seconds=1))
    assert isinstance(by_silence, Complete)
    assert by_silence.last_evidence_at == ended + QUIET
