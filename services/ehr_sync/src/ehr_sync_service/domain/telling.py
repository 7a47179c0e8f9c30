"""Which facts others are told, and as what (HL7 v2.5.1 tables 0119, 0038, 0123; IHE RAD-3, RAD-12, RAD-128).

What is told of a plan depends on the plan before it: see `domain/plan.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fj_events import (
    DeliveryKind,
    ExamCancelled,
    ExamCompleted,
    ExamDiscontinued,
    ExamMissed,
    ExamPutBack,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
    OrderCancelled,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    PatientMerged,
    PatientUnmerged,
    PatientUpdated,
    Refused,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
)

Told = (
    ExamScheduled
    | ExamRescheduled
    | ExamCancelled
    | ExamMissed
    | ExamStarted
    | ExamCompleted
    | ExamDiscontinued
    | ExamPutBack
    | OrderPlaced
    | OrderReinstated
    | OrderCancelled
    | OrderHeld
    | OrderReleased
    | PatientUpdated
    | PatientMerged
    | PatientUnmerged
    | ReportPreliminary
    | ReportFinalized
    | ReportAmended
    | ReportRetracted
)
"""The facts that make a message."""

OLD: Final = "2.3.1"
"""The version in which IHE first had its transactions: other message types for some of them."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A destination that wants something. `version` is the HL7 version that it gets."""

    name: str
    version: str = "2.5.1"


@dataclass(frozen=True, slots=True)
class Telling:
    """What a fact is in a message.

    `control` is ORC-1, or the trigger event of SIU and ADT; `status` is ORC-5 of an order, OBR-25 of a result,
    SCH-25 of an appointment.
    """

    kind: DeliveryKind
    control: str
    status: str = ""

    def message_type(self, version: str) -> str:
        """MSH-9, by the version that a destination gets."""
        match self.kind:
            case DeliveryKind.RESULTS:
                return "ORU^R01"
            case DeliveryKind.PROCEDURES if version != OLD:
                return "OMI^O23"
            case DeliveryKind.APPOINTMENTS:
                return f"SIU^{self.control}"
            case DeliveryKind.PATIENTS:
                return f"ADT^{_TRIGGERS.get((self.control, version), self.control)}"
            case _:
                return "ORM^O01"


_TRIGGERS: Final[Mapping[tuple[str, str], str]] = MappingProxyType({("A08", "2.5.1"): "A31"})
"""Demographics are A08 in RAD-12 of 2.3.1, and A31 in ITI-30 of 2.5.1, where A08 is about a visit."""


def _status(control: str, status: str) -> Telling:
    return Telling(DeliveryKind.STATUS, control, status)


def _result(status: str) -> Telling:
    return Telling(DeliveryKind.RESULTS, "RE", status)


TELLINGS: Final[Mapping[type[Fact], Telling]] = MappingProxyType(
    {
        ExamStarted: _status("SC", "IP"),
        ExamCompleted: _status("SC", "CM"),
        ExamDiscontinued: _status("SC", "DC"),
        ExamPutBack: _status("SC", "SC"),
        OrderPlaced: Telling(DeliveryKind.NUMBERS, "SN", "SC"),
        OrderCancelled: _status("OC", "CA"),
        OrderHeld: _status("SC", "HD"),
        OrderReleased: _status("SC", "SC"),
        OrderReinstated: _status("UC", "IP"),
        PatientUpdated: Telling(DeliveryKind.PATIENTS, "A08"),
        PatientMerged: Telling(DeliveryKind.PATIENTS, "A40"),
        PatientUnmerged: Telling(DeliveryKind.PATIENTS, "A08"),
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
    """What placers, and those who want results or patients, are told by this fact."""
    if isinstance(fact, OrderReinstated):
        return _UNABLE.get(fact.refused, TELLINGS[OrderReinstated])
    return TELLINGS[type(fact)]
