"""Sequences of codes in searches: JSON in columns of the study (PS3.4 C.2.2.2.6)."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Final

from storage_service.domain.search import PERFORMED, REQUESTED, AnyOf, Condition

_STORED: Final = {PERFORMED: "s.procedure_codes", REQUESTED: "s.requested_procedure_codes"}
_KEYS: Final = {"CodeValue": "code", "CodingSchemeDesignator": "system", "CodeMeaning": "text"}
"""In the JSON of an item."""
COLUMNS: Final = {
    f"{sequence}.{keyword}": f"ARRAY(SELECT c ->> '{key}' FROM jsonb_array_elements({column}) c)"
    for sequence, column in _STORED.items()
    for keyword, key in _KEYS.items()
}
"""What is returned: each attribute of all items."""


def within(conditions: Sequence[Condition]) -> list[AnyOf]:
    """Those of these conditions that are about an item of such a sequence."""
    return [one for one in conditions if isinstance(one, AnyOf) and one.attribute.within in _STORED]


def wheres(conditions: Sequence[AnyOf], parameter: Callable[[object], str]) -> Iterator[str]:
    """For each sequence: one item has a value of each condition. The index answers that for whole items alone."""
    for sequence, column in _STORED.items():
        own = {one.attribute.keyword: one.values for one in conditions if one.attribute.within == sequence}
        if own:
            keys = [_KEYS[keyword.removeprefix(f"{sequence}.")] for keyword in own]
            items = [dict(zip(keys, values, strict=True)) for values in product(*own.values())]
            yield "(" + " OR ".join(f"{column} @> {parameter(json.dumps([item]))}::jsonb" for item in items) + ")"
