"""What observations and notes of an order say, as lines for people (HL7 v2.5.1 ch. 7.4.2 OBX, ch. 2.15.10 NTE)."""

from collections.abc import Iterable, Iterator
from typing import Final

from fj_hl7 import CWE, Group, Segment, Value

NOTES_MAX: Final = 10_000
"""Characters of all notes of an order: as a long text of DICOM has room for (LT, PS3.5 Table 6.2-1)."""
_TEXT: Final = frozenset({"TX", "FT", "ST"})
_CODED: Final = frozenset({"CE", "CWE", "CNE", "CF"})
_NO_TEXT: Final = frozenset({"ED", "RP"})
"""Encapsulated data, and where data are (OBX-2)."""
_TAKEN_BACK: Final = frozenset({"D", "W"})
"""Deleted, or posted as wrong (OBX-11, table 0085)."""
_COMPONENTS: Final = 8
"""Of other data types; the longest of those that say something here (SN, XPN, TS) have fewer that people read."""
_MORE: Final = " …"


def notes_of(group: Group) -> str | None:
    """The lines of an order's OBX and NTE, in the order of the message; None where it has none."""
    if "OBX" not in group and "NTE" not in group:
        return None
    return together(_lines(group))


def together(notes: Iterable[str]) -> str | None:
    """Notes below each other, each of them once, as far as there is room."""
    text = "\n".join(dict.fromkeys(notes))
    return (text if len(text) <= NOTES_MAX else text[: NOTES_MAX - len(_MORE)] + _MORE) or None


def _lines(group: Group) -> Iterator[str]:
    for segment in group:
        if segment.name == "NTE":
            yield from filter(None, (value.whole().strip() for value in segment.values(3)))
        elif segment.name == "OBX" and segment.get(11) not in _TAKEN_BACK:
            yield from _observed(segment)


def _observed(obx: Segment) -> Iterator[str]:
    kind = obx.get(2).upper()
    if kind in _NO_TEXT:
        obx.warn(f"OBX-5 of type {kind} is no text and was left out of the order's notes")
        return
    said = ", ".join(filter(None, (_said(value, kind) for value in obx.values(5))))
    if said:
        name, unit = obx.get(3, 2) or obx.get(3), obx.get(6) or obx.get(6, 2)
        yield " ".join(filter(None, (f"{name}:" if name else "", said, unit)))


def _said(value: Value, kind: str) -> str:
    if kind in _TEXT or not kind:
        return value.whole().strip()
    if kind in _CODED:
        coded = CWE.read(value)
        return f"{coded.text} ({coded.code})" if coded.text and coded.code else coded.text or coded.code
    return " ".join(filter(None, value.texts(_COMPONENTS)))
