"""ModalitiesInStudy in searches: an array in the study's row (PS3.4 section C.2.2.2)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from storage_service.domain.search import AnyOf, Condition, Dates, Moments

COLUMN: Final = "s.modalities"
FEW_DAYS: Final = timedelta(days=31)
_KEYWORD: Final = "ModalitiesInStudy"
_LEAVE_FEW: Final = frozenset(
    {"PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}
)


def within(conditions: Sequence[Condition]) -> list[AnyOf]:
    """Those of these conditions that are about it, wildcards aside."""
    return [one for one in conditions if isinstance(one, AnyOf) and one.attribute.keyword == _KEYWORD]


def wheres(conditions: Sequence[Condition], parameter: Callable[[object], str]) -> Iterator[str]:
    """Each of them as SQL.

    A quarter of all studies may be CT. Where the other conditions leave few studies, these are compared: the index
    would list the CTs of a whole year to find those of a day. PostgreSQL cannot know: it plans before it sees values.
    """
    few = any(map(_leaves_few, conditions))
    for condition in within(conditions):
        shared = f"{COLUMN} && {parameter(list(condition.values))}::text[]"
        yield f"({shared}) IS TRUE" if few else shared  # no index answers what `IS TRUE`


def _leaves_few(condition: Condition) -> bool:
    match condition:
        case AnyOf():
            return condition.attribute.keyword in _LEAVE_FEW
        case Moments():
            return _leaves_few(condition.dates)
        case Dates(attribute, date() as first, date() as last):
            return attribute.keyword == "StudyDate" and last - first < FEW_DAYS
        case _:
            return False
