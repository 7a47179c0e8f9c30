"""Passing on what modalities say by MPPS: to whom, and how it goes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from fj_events import Uid, WorkGivenUp, WorkKind, WorkSettled, WorkSettledAs

REFUSALS_MAX: Final = 5
"""After so many refusals the same message is not tried any more."""
_FIRST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(minutes=1)


class Operation(StrEnum):
    """What a modality did (PS3.4 section F.7.2)."""

    CREATE = "N-CREATE"
    SET = "N-SET"


class ForwardState(StrEnum):
    """Of what is to be passed on."""

    WAITING = "WAITING"
    SENT = "SENT"
    FAILED = "FAILED"
    """Given up; an operator may have it tried again."""
    CANCELLED = "CANCELLED"
    """By an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A message of a modality, as it came."""

    operation: Operation
    sop_instance_uid: Uid
    """Of the Modality Performed Procedure Step."""
    transfer_syntax: str
    content: bytes
    """The encoded attribute list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A message on its way to one destination, as it was claimed for an attempt."""

    forward_id: int
    destination: str
    report: Report
    begun_at: datetime
    attempts: int
    """With this one."""
    refusals: int


@dataclass(frozen=True, slots=True)
class Result:
    """How one attempt ended; `trouble` is empty where it was taken, and free of PHI."""

    trouble: str = ""
    away: bool = False
    """There was nobody to send to."""
    refused: bool = False
    """The destination has answered, and does not want it; or it cannot be sent at all."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of it after an attempt."""

    state: ForwardState
    due_at: datetime | None
    refusals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardOverview:
    """As operators see it."""

    forward_id: int
    destination: str
    operation: Operation
    sop_instance_uid: Uid
    state: ForwardState
    received_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    attempts: int
    last_error: str | None
    actor: str | None
    """Who had it tried again, or stopped it."""
    site: str = "MAIN"
    """Of the performed step."""
    exam_key: str | None = None


def verdict(forward: Forward, result: Result, now: datetime, limit: timedelta) -> Verdict:
    """Sent, tried again later, or given up: after `limit`, or where it is refused again and again."""
    refusals = forward.refusals + result.refused
    if not result.trouble:
        return Verdict(ForwardState.SENT, None, refusals)
    if refusals >= REFUSALS_MAX or now - forward.begun_at >= limit:
        return Verdict(ForwardState.FAILED, None, refusals)
    return Verdict(ForwardState.WAITING, now + min(_FIRST * 2 ** min(forward.attempts - 1, 16), _LONGEST), refusals)


def given_up(forward: ForwardOverview) -> WorkGivenUp:
    """A person has to look."""
    return WorkGivenUp(
        site=forward.site,
        work_id=_work_id(forward),
        room="scheduling",
        kind=WorkKind.MPPS,
        destination=forward.destination,
        about=forward.exam_key,
        reason=f"{forward.operation}, {forward.last_error or 'given up'}",
        address=f"/api/scheduling/forwards/{forward.forward_id}",
    )


def settled(forward: ForwardOverview, settled_as: WorkSettledAs, reason: str | None) -> WorkSettled:
    """A person has said what becomes of it."""
    return WorkSettled(
        site=forward.site,
        actor=forward.actor,
        work_id=_work_id(forward),
        room="scheduling",
        kind=WorkKind.MPPS,
        settled_as=settled_as,
        reason=reason,
    )


def _work_id(forward: ForwardOverview) -> str:
    return f"scheduling.mpps.{forward.forward_id}"
