"""Metadata that says what is known now: what `coercing` does to a data set, on DICOM JSON (PS3.18 annex F)."""

import json
from typing import Any, Final, TypeAlias

from storage_service.domain.coercion import MODIFYING_SYSTEM, REASON, Coercion, Values, Wanted, wanted

Described: TypeAlias = dict[str, Any]
_PATIENT_ID: Final = "00100020"
_ISSUER: Final = "00100021"
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def coerced_array(text: bytes, coercion: Coercion) -> bytes:
    """Data sets as an array in UTF-8."""
    wishes = wanted(coercion.changed)
    found = [_coerced(described, wishes, coercion) for described in json.loads(text)]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _coerced(described: Described, wishes: Wanted, coercion: Coercion) -> Described:
    differing = {f"{tag:08X}": values for tag, values in wishes.items() if not _says(described, tag, values)}
    if not differing:
        return described
    before = {key: described.get(key, {"vr": values.vr}) for key, values in differing.items()}
    if _PATIENT_ID in before and _ISSUER in described:
        before[_ISSUER] = described[_ISSUER]
    moment = coercion.at.strftime("%Y%m%d%H%M%S.%f%z")
    item = {
        "04000550": {"vr": "SQ", "Value": [dict(sorted(before.items()))]},
        "04000562": {"vr": "DT", "Value": [moment]},
        "04000563": {"vr": "LO", "Value": [MODIFYING_SYSTEM]},
        "04000564": {"vr": "LO", "Value": [coercion.site]},
        "04000565": {"vr": "CS", "Value": [REASON]},
    }
    earlier = described.get("04000561", {}).get("Value", [])
    kept = {key: element for key, element in described.items() if key not in differing}
    new = {key: _element(values) for key, values in differing.items() if values.value is not None}
    own = {"00080015": {"vr": "DT", "Value": [moment]}, "04000561": {"vr": "SQ", "Value": [*earlier, item]}}
    return dict(sorted({**kept, **new, **own}.items()))


def _says(described: Described, tag: int, values: Values) -> bool:
    element = described.get(f"{tag:08X}")
    if values.value is None:
        return element is None
    if isinstance(values.value, str):
        return element is not None and _text(element) == values.value.strip()
    items = element.get("Value", []) if element else []
    return len(items) == len(values.value) and all(
        _says(item, inner, one)
        for item, inside in zip(items, values.value, strict=True)
        for inner, one in inside.items()
    )


def _text(element: Described) -> str:
    value = next(iter(element.get("Value") or ()), None) or ""
    if not isinstance(value, dict):
        return str(value)
    groups = (str(value.get(group, "")).rstrip("^ ") for group in _GROUPS)
    return "=".join(groups).rstrip("=")


def _element(values: Values) -> Described:
    if isinstance(values.value, str):
        value: Any = values.value
        if values.vr == "PN":
            value = {name: group for name, group in zip(_GROUPS, value.split("="), strict=False) if group}
        return {"vr": values.vr, "Value": [value]} if value else {"vr": values.vr}
    items = [{f"{tag:08X}": _element(one) for tag, one in inside.items()} for inside in values.value or ()]
    return {"vr": values.vr, "Value": items}
