"""Which facts the EHR is told, and as what (HL7 v2.5.1 tables 0119, 0038, 0123; IHE RAD-3, RAD-128)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fj_events import (
    DeliveryKind,
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamStarted,
    Fact,
    OrderCancelled,
    OrderReinstated,
    Refused,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
)

Told = (
    ExamStarted
    | ExamCompleted
    | ExamDiscontinued
    | ExamPutBack
    | OrderReinstated
    | OrderCancelled
    | ReportPreliminary
    | ReportFinalized
    | ReportAmended
    | ReportRetracted
)
"""The facts that make a message."""

ORU: Final = "ORU^R01"
ORM: Final = "ORM^O01"


@dataclass(frozen=True, slots=True)
class Telling:
    """What a fact is in a message. `control` is ORC-1, `status` ORC-5 of a status message or OBR-25 of a result."""

    kind: DeliveryKind
    message_type: str
    control: str
    status: str


def _status(control: str, status: str) -> Telling:
    return Telling(DeliveryKind.STATUS, ORM, control, status)


def _result(status: str) -> Telling:
    return Telling(DeliveryKind.RESULTS, ORU, "RE", status)


TELLINGS: Final[Mapping[type[Fact], Telling]] = MappingProxyType(
    {
        ExamStarted: _status("SC", "IP"),
        ExamCompleted: _status("SC", "CM"),
        ExamDiscontinued: _status("SC", "DC"),
        ExamPutBack: _status("SC", "SC"),
        OrderCancelled: _status("OC", "CA"),
        OrderReinstated: _status("UC", "IP"),
        ReportPreliminary: _result("P"),
        ReportFinalized: _result("F"),
        ReportAmended: _result("C"),
        ReportRetracted: _result("C"),
    }
)
_UNABLE: Final[Mapping[Refused, Telling]] = MappingProxyType(
    {Refused.CHANGE: _status("UX", "IP"), Refused.HOLD: _status("UH", "IP")}
)
"""How a started exam refuses what is no cancel."""


def telling_of(fact: Told) -> Telling:
    """What the EHR is told by this fact."""
    if isinstance(fact, OrderReinstated):
        return _UNABLE.get(fact.refused, TELLINGS[OrderReinstated])
    return TELLINGS[type(fact)]
