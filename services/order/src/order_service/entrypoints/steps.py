"""The scheduled procedure steps of an order, as its placer planned them (IPC, HL7 v2.5.1 ch. 4.5.6; IHE RAD-4)."""

from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeAlias

from fj_events import CodedConcept, Identifier, OrderedStep
from fj_hl7 import CWE, AckCode, ErrorCode, Found, Group, Hl7Error, Item, Place, Refusal, Segment

from order_service.domain.numbers import SH
from order_service.entrypoints.reading import OrderReading, fitting

STEPS_MAX: Final = 50
"""Steps of one order: far more than anybody plans, and no more than a fact can carry."""
_Read: TypeAlias = Callable[[Segment], tuple[Found, Hashable] | None]


def steps_of(reading: OrderReading, group: Group) -> tuple[OrderedStep, ...]:
    """The steps of an order with several IPC.

    Raises Refusal where they contradict each other in what only the order can have, or name one step twice.
    """
    ipcs = group.segments("IPC")
    if len(ipcs) < 2:
        return ()
    if len(ipcs) > STEPS_MAX:
        text = f"more than {STEPS_MAX} steps of one order"
        raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "IPC", ipcs[STEPS_MAX].sequence))
    _agree(ipcs, "accession number", reading.accession_within)
    _agree(ipcs, "Study Instance UID", _text_of(reading, Item.STUDY_INSTANCE_UID))
    _agree(ipcs, "requested procedure id", _text_of(reading, Item.REQUESTED_PROCEDURE_ID))
    _differ(ipcs, _text_of(reading, Item.SCHEDULED_STEP_ID))
    return tuple(_step(reading, ipc) for ipc in ipcs)


def step_of(reading: OrderReading, group: Group, accession: Identifier | None, *, with_study: bool) -> OrderedStep:
    """The step of a group that has one at most: its IPC, else what its OBR says.

    `with_study`: the message has ZDS, so the OBR says it as IHE RAD-4 has it in ORM^O01: OBR-20 is the step id, unless
    it is the accession number, and OBR-4.4 to 4.6 the protocol.
    """
    ipc, obr = group.segment("IPC"), group.segment("OBR")
    step = OrderedStep(
        step_id=reading.name(Item.SCHEDULED_STEP_ID),
        modality=reading.modality(),
        station_ae_title=reading.name(Item.STATION_AE_TITLE),
    )
    if ipc is not None:
        return step.model_copy(update=_told(ipc))
    if obr is None or not with_study:
        return step
    planned, number = obr.value(4), obr.get(20)
    protocol = CWE(planned.get(4), planned.get(5), planned.get(6))
    own = number if accession is None or accession.value != number else ""
    return step.model_copy(
        update={
            "step_id": step.step_id or fitting(own),
            "protocol": (_concept(protocol),) if _says(protocol) else (),
        }
    )


def alone(step: OrderedStep) -> tuple[OrderedStep, ...]:
    """The only step of an order, where it says more than the order itself has fields for."""
    return (step,) if step.protocol or step.station_name or step.station_location else ()


def _step(reading: OrderReading, ipc: Segment) -> OrderedStep:
    step = OrderedStep(
        step_id=reading.name_within(Item.SCHEDULED_STEP_ID, ipc),
        modality=reading.modality_within(ipc),
        station_ae_title=reading.name_within(Item.STATION_AE_TITLE, ipc),
    )
    return step.model_copy(update=_told(ipc))


def _told(ipc: Segment) -> dict[str, object]:
    """What only an IPC says of its step."""
    location = ipc.value(8)
    return {
        "protocol": tuple(map(_concept, filter(_says, ipc.each(CWE, 6)))),
        "station_name": _short(ipc.get(7)),
        "station_location": _short(location.get(2) or location.get(1)),
    }


def _text_of(reading: OrderReading, item: Item) -> _Read:
    def read(ipc: Segment) -> tuple[Found, str] | None:
        found = reading.within(item, ipc)
        return (found, found.text) if found is not None else None

    return read


def _agree(ipcs: Sequence[Segment], name: str, read: _Read) -> None:
    """The first one says it for the order; the others say the same, or nothing."""
    first = read(ipcs[0])
    for found, value in filter(None, map(read, ipcs)):
        if first is None or value != first[1]:
            raise _refused(f"the {name} is not that of the order's first IPC", ErrorCode.DATA_TYPE_ERROR, found)


def _differ(ipcs: Sequence[Segment], read: _Read) -> None:
    known: set[Hashable] = set()
    for found, value in filter(None, map(read, ipcs)):
        if value in known:
            text = "the scheduled procedure step id is that of another IPC"
            raise _refused(text, ErrorCode.DUPLICATE_KEY_IDENTIFIER, found)
        known.add(value)


def _refused(text: str, code: ErrorCode, found: Found) -> Refusal:
    place, segment = found.source, found.segment
    if segment is None or not isinstance(place, Place):
        return Refusal(AckCode.AE, Hl7Error(text, code))
    error = Hl7Error(f"{place}: {text}", code, segment.name, segment.sequence, place.field, place.component)
    return Refusal(AckCode.AE, error)


def _short(text: str) -> str | None:
    """What people read, as a short string allows (PS3.5 Table 6.2-1)."""
    return text.replace("\\", "/")[:SH].strip() or None


def _says(coded: CWE) -> bool:
    return bool(coded.code or coded.text)


def _concept(coded: CWE) -> CodedConcept:
    return CodedConcept(code=coded.code or coded.text, text=coded.text or None, system=coded.system or None)
