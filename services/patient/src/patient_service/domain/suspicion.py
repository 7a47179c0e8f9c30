"""Pairs of records that may be of one person: what is asked of a person, and what came of it."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from fj_events import PatientPhi

from patient_service.domain.demographics import ITEMS
from patient_service.domain.matching import Grade, Verdict


class State(StrEnum):
    """Where a pair stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A pair, the smaller key first."""

    one: UUID
    other: UUID
    state: State
    score: float
    grade: Grade
    reasons: tuple[str, ...]
    evidence: str
    """What the two records said, as a hash: who dismissed a pair is asked again only when that has changed."""

    @property
    def pair(self) -> tuple[UUID, UUID]:
        return self.one, self.other


def evidence(one: PatientPhi, other: PatientPhi) -> str:
    """A hash of what is compared, the record of the smaller key first."""
    compared = {name for names in ITEMS.values() for name in names}
    said = "\x1e".join(phi.model_dump_json(include=compared, exclude_none=True) for phi in (one, other))
    return hashlib.sha256(said.encode()).hexdigest()


def suspected(pair: tuple[UUID, UUID], verdict: Verdict, said: str) -> Suspicion:
    """A pair that a person has to look at."""
    return Suspicion(
        one=pair[0],
        other=pair[1],
        state=State.OPEN,
        score=verdict.score,
        grade=verdict.grade,
        reasons=verdict.reasons,
        evidence=said,
    )


def is_answered(known: Suspicion | None, said: str) -> bool:
    """Whether a person has said already that these records, as they are, are of two persons."""
    return known is not None and known.state is State.DISMISSED and known.evidence == said


def closed(known: Suspicion, state: State) -> Suspicion:
    """The pair after there was an answer."""
    return replace(known, state=state)
