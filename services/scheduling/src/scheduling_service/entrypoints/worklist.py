"""Modality Worklist C-FIND (PS3.4 Annex K, IHE RAD-5)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fj_dicom import (
    SPECIFIC_CHARACTER_SET,
    Encoder,
    Find,
    FindHandler,
    FindService,
    Matches,
    Refused,
    Request,
    Status,
    asked,
)
from prometheus_client import Counter, Histogram
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID

from scheduling_service.domain.catalogue import Catalogue
from scheduling_service.domain.errors import BadRange
from scheduling_service.domain.groups import with_groups
from scheduling_service.domain.period import Period, period
from scheduling_service.domain.worklist import Key, Query
from scheduling_service.entrypoints.attributes import WORKLIST
from scheduling_service.ports import Worklist

MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
STEP_SEQUENCE: Final = 0x00400100
START_DATE: Final = 0x00400002
START_TIME: Final = 0x00400003
PERFORMING_PHYSICIAN: Final = 0x00400006
PATIENT_NAME: Final = 0x00100010

KEYS: Final[Mapping[int, Key]] = MappingProxyType(
    {
        0x00080050: Key.ACCESSION_NUMBER,
        0x00100020: Key.PATIENT_ID,
        0x00100021: Key.PATIENT_ID_ISSUER,
        0x0020000D: Key.STUDY_INSTANCE_UID,
        0x00401001: Key.REQUESTED_PROCEDURE_ID,
    }
)
"""Matching keys of the identifier."""
STEP_KEYS: Final[Mapping[int, Key]] = MappingProxyType(
    {0x00080060: Key.MODALITY, 0x00400001: Key.STATION_AE_TITLE, 0x00400009: Key.STEP_ID}
)
"""Matching keys of the item of the Scheduled Procedure Step Sequence."""

_seconds = Histogram("fj_worklist_query_seconds", "Time from a worklist query to its matches, before they are sent")
_items = Counter("fj_worklist_items", "Worklist items answered")


def worklist_service(worklist: Worklist, catalogue: Catalogue, limit: int) -> FindService:
    """The C-FIND of the worklist. A query that more than `limit` steps match is refused."""
    return FindService(MODALITY_WORKLIST, _handler(worklist, catalogue, limit))


def _handler(worklist: Worklist, catalogue: Catalogue, limit: int) -> FindHandler:
    async def find(request: Request) -> Matches:
        identifier = request.dataset()
        step = _step(identifier)
        wanted = asked(identifier, WORKLIST)
        if not wanted:
            raise Refused(Status(Find.IDENTIFIER_MISMATCH, "the identifier asks for nothing"))
        with _seconds.time():
            query = with_groups(_query(request.caller.site, identifier, step), catalogue)
            found = () if _asks_for_physician(step) else await worklist.find(query, limit + 1)
        if len(found) > limit:
            raise Refused(Status(Find.OUT_OF_RESOURCES, f"more than {limit} steps match"))
        _items.inc(len(found))
        encoder = Encoder(wanted, _character_set(identifier), implicit=UID(request.transfer_syntax).is_implicit_VR)
        status = Find.PENDING if all(each.is_supported for each in wanted) else Find.PENDING_WITHOUT_SOME_KEYS
        return Matches(map(encoder.encode, found), status)

    return find


def _step(identifier: Dataset) -> Dataset:
    """The item of the Scheduled Procedure Step Sequence; an empty one where there is none."""
    value = _value(identifier, STEP_SEQUENCE)
    items = value if isinstance(value, Sequence) else ()
    if len(items) > 1:
        raise _mismatch("Scheduled Procedure Step Sequence has more than one item", STEP_SEQUENCE)
    return items[0] if items else Dataset()


def _query(site: str, identifier: Dataset, step: Dataset) -> Query:
    pairs = [(key, _values(identifier, tag)) for tag, key in KEYS.items()]
    pairs += [(key, _values(step, tag)) for tag, key in STEP_KEYS.items()]
    name = "\\".join(_values(identifier, PATIENT_NAME))
    return Query(
        site=site,
        values={key: values for key, values in pairs if values},
        patient_name=tuple(group for group in name.split("=") if group.strip("*")),
        period=_period(step),
    )


def _period(step: Dataset) -> Period:
    start = {tag: "\\".join(_values(step, tag)) for tag in (START_DATE, START_TIME)}
    try:
        return period(start[START_DATE], start[START_TIME])
    except BadRange as reason:
        raise _mismatch(str(reason), START_DATE, START_TIME) from None


def _asks_for_physician(step: Dataset) -> bool:
    """Nobody tells us who will perform a step, and what is unknown fails to match (PS3.4 K.2.2.1.1.1)."""
    return bool(_values(step, PERFORMING_PHYSICIAN))


def _values(dataset: Dataset, tag: int) -> tuple[str, ...]:
    """The values of a key; none where it matches everything (PS3.4 C.2.2.2.3, C.2.2.2.4)."""
    value = _value(dataset, tag)
    values = tuple(str(each).strip() for each in (value if isinstance(value, MultiValue) else (value or "",)))
    return () if any(not each.strip("*") for each in values) else values


def _value(dataset: Dataset, tag: int) -> object:
    return dataset[tag].value if tag in dataset else None


def _character_set(identifier: Dataset) -> str:
    value = _value(identifier, SPECIFIC_CHARACTER_SET)
    return value if isinstance(value, str) else ""


def _mismatch(comment: str, *tags: int) -> Refused:
    return Refused(Status(Find.IDENTIFIER_MISMATCH, comment, offending=tags))
