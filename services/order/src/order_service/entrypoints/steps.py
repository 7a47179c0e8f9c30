"""The scheduled procedure steps of an order that has several: one IPC each (HL7 v2.5.1 ch. 4.5.6; IHE RAD-4)."""

from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeAlias

from fj_events import CodedConcept, OrderedStep
from fj_hl7 import CWE, AckCode, ErrorCode, Found, Group, Hl7Error, Item, Place, Refusal, Segment

from order_service.domain.numbers import SH
from order_service.domain.order import Request
from order_service.entrypoints.reading import OrderReading

STEPS_MAX: Final = 50
"""Steps of one order: far more than anybody plans, and no more than a fact can carry."""
_Read: TypeAlias = Callable[[Segment], tuple[Found, Hashable] | None]


def steps_of(reading: OrderReading, group: Group) -> tuple[OrderedStep, ...]:
    """The steps of an order with several IPC. What a single one says is said of the order itself.

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


def step_of(reading: OrderReading, group: Group, request: Request, *, with_study: bool) -> OrderedStep:
    """The step of a group that has one at most: its IPC, else what its OBR says.

    `with_study`: the message has ZDS, so the OBR says it as IHE RAD-4 has it in ORM^O01: OBR-20 is the step id, unless
    it is the accession number, and OBR-4.4 to 4.6 the protocol.
    """
    ipc, obr = group.segment("IPC"), group.segment("OBR")
    if ipc is not None:
        return _step(reading, ipc)
    step = OrderedStep(
        step_id=request.scheduled_step_id, modality=request.modality, station_ae_title=request.station_ae_title
    )
    if obr is None or not with_study:
        return step
    planned, number, accession = obr.value(4), obr.get(20), request.accession_number
    protocol = CWE(planned.get(4), planned.get(5), planned.get(6))
    return step.model_copy(
        update={
            "step_id": step.step_id or (_name(number) if not accession or accession.value != number else None),
            "protocol": (_concept(protocol),) if _says(protocol) else (),
        }
    )


def _step(reading: OrderReading, ipc: Segment) -> OrderedStep:
    location = ipc.value(8)
    return OrderedStep(
        step_id=_exact(reading, Item.SCHEDULED_STEP_ID, ipc),
        modality=reading.modality_within(ipc),
        protocol=tuple(map(_concept, filter(_says, ipc.each(CWE, 6)))),
        station_name=_short(ipc.get(7)),
        station_location=_short(location.get(2) or location.get(1)),
        station_ae_title=_exact(reading, Item.STATION_AE_TITLE, ipc),
    )


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


def _exact(reading: OrderReading, item: Item, ipc: Segment) -> str | None:
    found = reading.within(item, ipc)
    return _name(found.text) if found is not None else None


def _name(text: str) -> str | None:
    """What names something: cut off it would name something else."""
    return text if text and len(text) <= SH and "\\" not in text else None


def _short(text: str) -> str | None:
    """What people read, as a short string allows (PS3.5 Table 6.2-1)."""
    return text.replace("\\", "/")[:SH].strip() or None


def _says(coded: CWE) -> bool:
    return bool(coded.code or coded.text)


def _concept(coded: CWE) -> CodedConcept:
    return CodedConcept(code=coded.code or coded.text, text=coded.text or None, system=coded.system or None)
