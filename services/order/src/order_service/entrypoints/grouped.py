"""One order in several ORC groups of a message, one for each step or procedure (HL7 v2.5.1 ch. 4.4.11; IHE RAD-4).

So image managers are told by many departments, and by `ehr_sync`: each step has a time of its own (TQ1).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from fj_events import ClinicalPhi, Identifier, OrderedStep
from fj_hl7 import AckCode, ErrorCode, Hl7Error, Item, Refusal, Segment

from order_service.domain.order import Request
from order_service.entrypoints.notes import together
from order_service.entrypoints.reading import OrderReading
from order_service.entrypoints.steps import STEPS_MAX, alone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """What one group says of its order, as if it were alone."""

    orc: Segment
    request: Request
    steps: tuple[OrderedStep, ...]
    """Its steps: at least one."""


_ORDERS_OWN: Final[tuple[tuple[str, Callable[[Request], Hashable | None]], ...]] = (
    ("accession number", lambda request: request.accession_number),
    ("Study Instance UID", lambda request: request.study_instance_uid),
    ("requested procedure id", lambda request: request.requested_procedure_id),
)
"""What only the order can have: one group may say it for all, and no other says something else."""


def by_order(readings: Sequence[OrderReading], issuer: str) -> list[list[OrderReading]]:
    """The groups that speak of one order together, by their first ones.

    They have one placer order number and want the same of it, and no group between them wants something else of it.
    """
    if len(readings) < 2:
        return [[reading] for reading in readings]
    orders: list[list[OrderReading]] = []
    latest: dict[Identifier | None, tuple[tuple[str, str], list[OrderReading]]] = {}
    for reading in readings:
        number = reading.number(Item.PLACER_ORDER_NUMBER, issuer)
        wanted = (reading.text(Item.ORDER_CONTROL).upper(), reading.text(Item.ORDER_STATUS).upper())
        known, groups = latest.get(number, (None, []))
        if number is None or known != wanted:
            groups = []
            orders.append(groups)
            latest[number] = (wanted, groups)
        groups.append(reading)
    return orders


def united(parts: Sequence[Part]) -> Request:
    """The order of several groups: what the first says, and the steps of all.

    It is as urgent as its most urgent group and wanted at their earliest time. Raises Refusal where groups contradict
    each other, or name one step twice.
    """
    for name, of in _ORDERS_OWN:
        _agree(parts, name, of)
    requests = [part.request for part in parts]
    times = [request.asked_for for request in requests if request.asked_for is not None]
    order = replace(
        requests[0],
        accession_number=_first(request.accession_number for request in requests),
        filler_order_number=_first(request.filler_order_number for request in requests),
        study_instance_uid=_first(request.study_instance_uid for request in requests),
        requested_procedure_id=_first(request.requested_procedure_id for request in requests),
        ordering_provider=_first(request.ordering_provider for request in requests),
        priority=min((request.priority for request in requests), key=lambda priority: priority.rank),
        asked_for=min(times, default=None),
        clinical=_clinical([request.clinical for request in requests]),
    )
    steps = _steps(parts, order)
    return replace(order, steps=steps if len(steps) > 1 else alone(steps[0]))


def _steps(parts: Sequence[Part], order: Request) -> tuple[OrderedStep, ...]:
    """The steps of all groups; one that repeats another one adds nothing."""
    said = {step: part for part in parts for step in _its_own(part, order)}
    named: set[str] = set()
    for nth, (step, part) in enumerate(said.items()):
        if nth == STEPS_MAX:
            raise _refused(part, f"more than {STEPS_MAX} steps of one order", ErrorCode.SEGMENT_SEQUENCE_ERROR)
        if step.step_id in named:
            text = "the scheduled procedure step id is that of another group of the order"
            raise _refused(part, text, ErrorCode.DUPLICATE_KEY_IDENTIFIER)
        named.update(filter(None, [step.step_id]))
    return tuple(said)


def _its_own(part: Part, order: Request) -> Iterator[OrderedStep]:
    """The steps of a group, with what it wants otherwise than the order."""
    procedure, time = part.request.procedure, part.request.asked_for
    for step in part.steps:
        yield step.model_copy(
            update={
                "procedure": procedure if procedure.code != order.procedure.code else None,
                "asked_for": time if time != order.asked_for else None,
            }
        )


def _agree(parts: Sequence[Part], name: str, of: Callable[[Request], Hashable | None]) -> None:
    said = _first(of(part.request) for part in parts)
    for part in parts:
        if of(part.request) not in {None, said}:
            text = f"the {name} is not that of the order's other groups"
            raise _refused(part, text, ErrorCode.DATA_TYPE_ERROR)


def _clinical(said: Sequence[ClinicalPhi]) -> ClinicalPhi:
    """Of each field what the first group says that says it; the notes of all."""
    told = ({name: value for name, value in clinical if value is not None} for clinical in reversed(said))
    first = ClinicalPhi(**{name: value for each in told for name, value in each.items()})
    return first.model_copy(update={"notes": together(each.notes for each in said if each.notes)})


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _refused(part: Part, text: str, code: ErrorCode) -> Refusal:
    return Refusal(AckCode.AE, Hl7Error(text, code, "ORC", part.orc.sequence))
