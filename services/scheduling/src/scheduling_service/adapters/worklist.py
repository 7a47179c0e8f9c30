"""The open steps, as modalities ask for them. PostgreSQL does the matching."""

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from asyncpg import Record

from scheduling_service.adapters.visits import visit_of
from scheduling_service.domain.worklist import Item, Query, folded

if TYPE_CHECKING:
    from fj_runtime.database import Pool

_VISIT: Final = "visit_of(visit_value, visit_issuer, patient_id)"
_WILD: Final = re.compile(r"[*?]")
_ESCAPED: Final = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\", "*": "%", "?": "_"})


class PostgresWorklist:
    """See `scheduling_service.ports.Worklist`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def find(self, query: Query, limit: int) -> Collection[Item]:
        conditions, arguments = _where(query)
        rows = await self._pool.fetch(
            f"SELECT item, {_VISIT} AS visit FROM worklist WHERE {' AND '.join(conditions)}"
            f" ORDER BY urgency, starts_local, exam_key, number LIMIT {limit:d}",
            *arguments,
        )
        return _Found(rows)


class _Found(Collection[Item]):
    """Rows that become items one by one: in the thread that sends them, not all at once on the event loop."""

    def __init__(self, rows: list[Record]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Item]:
        return (_item(row) for row in self._rows)

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)


def _item(row: Record) -> Item:
    item, visit = Item.model_validate_json(row["item"], extra="ignore"), visit_of(row["visit"])
    return item if visit is None else item.model_copy(update={"visit": visit})


def _where(query: Query) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    arguments: list[object] = []

    def holds(condition: str, argument: object) -> None:
        arguments.append(argument)
        conditions.append(condition.format(f"${len(arguments)}"))

    holds("site = {}", query.site)
    for key, values in query.values.items():
        if any(map(_WILD.search, values)):
            holds(f"{key} LIKE ANY({{}}::text[])", [_pattern(value) for value in values])
        else:
            holds(f"{key} = ANY({{}}::text[])", list(values))
    for group in query.patient_name:
        holds("EXISTS (SELECT 1 FROM unnest(patient_names) AS n WHERE n LIKE {}::text)", _pattern(folded(group)))
    period = query.period
    bounds = {
        "starts_local >= {}": period.earliest,
        "starts_local <= {}": period.latest,
        "starts_local::time >= {}": period.time_from,
        "starts_local::time <= {}": period.time_to,
    }
    for condition, bound in bounds.items():
        if bound is not None:
            holds(condition, bound)
    return conditions, arguments


def _pattern(text: str) -> str:
    """DICOM's wildcards as SQL's (PS3.4 C.2.2.2.4)."""
    return text.translate(_ESCAPED)
