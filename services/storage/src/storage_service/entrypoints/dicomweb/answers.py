"""What DICOMweb answers are made of: DICOM JSON (PS3.18 annex F) and the addresses in it."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from storage_service.domain.search import ATTRIBUTES, SEQUENCES, Attribute
from storage_service.entrypoints.dicomweb.negotiation import JSON

_UTF8: Final = {"vr": "CS", "Value": ["ISO_IR 192"]}
_ONLINE: Final = {"vr": "CS", "Value": ["ONLINE"]}
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def base_url(request: Request) -> str:
    """The address of the DICOMweb root as the client sees it, through a proxy or not."""
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    host = request.headers.get("x-forwarded-host") or request.headers.get("host") or request.url.netloc
    return f"{scheme}://{host}/dicomweb"


def json_response(rows: Iterable[Mapping[str, Any]], warnings: Iterable[str] = ()) -> Response:
    """A list of data sets."""
    body = json.dumps(list(rows), ensure_ascii=False, separators=(",", ":")).encode()
    response = Response(body, media_type=JSON)
    for warning in warnings:
        response.headers.append("Warning", f'299 filmjacket "{warning}"')
    return response


def result(values: Mapping[str, object], base: str) -> dict[str, Any]:
    """One search result; attributes in order of their tags, those without a value stay empty."""
    data: dict[str, Any] = {
        "00080005": _UTF8,
        "00080056": _ONLINE,
        "00081190": {"vr": "UR", "Value": [_url(values, base)]},
    }
    nested: dict[str, dict[str, Any]] = {}
    for keyword, value in values.items():
        attribute = ATTRIBUTES[keyword]
        if attribute.within is None:
            data[attribute.tag] = _element(attribute, value)
        elif value is not None:
            nested.setdefault(SEQUENCES[attribute.within], {})[attribute.tag] = _element(attribute, value)
    data |= {tag: {"vr": "SQ", "Value": [dict(sorted(item.items()))]} for tag, item in nested.items()}
    return dict(sorted(data.items()))


def _url(values: Mapping[str, object], base: str) -> str:
    url = f"{base}/studies/{values['StudyInstanceUID']}"
    for place, keyword in (("series", "SeriesInstanceUID"), ("instances", "SOPInstanceUID")):
        if keyword in values:
            url += f"/{place}/{values[keyword]}"
    return url


def _element(attribute: Attribute, value: object) -> dict[str, Any]:
    if attribute.vr == "PN":
        value = _name(value)
    elif isinstance(value, date):
        value = value.strftime("%Y%m%d") if value.year > 999 else f"{value.year:04}{value:%m%d}"
    if value is None or value in ("", []):
        return {"vr": attribute.vr}
    return {"vr": attribute.vr, "Value": value if isinstance(value, list) else [value]}


def _name(value: object) -> dict[str, str] | None:
    groups = value if isinstance(value, tuple) else (value,)
    return {name: group for name, group in zip(_NAME_GROUPS, groups, strict=False) if group} or None
