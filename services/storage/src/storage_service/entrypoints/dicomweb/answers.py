"""What DICOMweb answers are made of: DICOM JSON (PS3.18 annex F) and the addresses in it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from storage_service.domain.search import SEQUENCES, Attribute, items
from storage_service.entrypoints.dicomweb.choices import Form
from storage_service.entrypoints.dicomweb.multipart import Part, listing
from storage_service.entrypoints.dicomweb.native_model import to_xml
from storage_service.entrypoints.dicomweb.negotiation import JSON, XML

_CHARACTER_SET: Final = "00080005"
_AVAILABILITY: Final = "00080056"
_RETRIEVE_URL: Final = "00081190"
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def base_url(request: Request) -> str:
    """The address of the DICOMweb root as the client sees it, through a proxy or not."""
    scheme = request.headers.get("x-forwarded-proto") or request.scope["scheme"]  # `request.url` is dear
    host = request.headers.get("x-forwarded-host") or request.headers.get("host") or request.url.netloc
    return f"{scheme}://{host}/dicomweb"


def found_response(form: Form, rows: Iterable[Mapping[str, Any]], warnings: Iterable[str] = ()) -> Response:
    """A list of data sets: an array of JSON, or XML in one part each; a list of no parts cannot be written."""
    if form.media_type == JSON:
        response = Response(to_json(list(rows)), media_type=JSON)
    else:
        parts = [(Part(XML, len(data), _own_url(row)), data) for row in rows for data in (to_xml(row),)]
        response = listing(form, parts, uuid4().hex) if parts else Response(status_code=204)
    for warning in warnings:
        response.headers.append("Warning", f'299 filmjacket "{warning}"')
    return response


def _own_url(result: Mapping[str, Any]) -> str:
    return str(result[_RETRIEVE_URL]["Value"][0])


class Results:
    """Search results of one answer; attributes in order of their tags, those without a value stay empty."""

    def __init__(self, fields: Sequence[Attribute], base: str) -> None:
        self._base = base
        self._plain = [(field.tag, field.vr, field.keyword) for field in fields if field.within is None]
        self._plain += [(tag, "", "") for tag in (_CHARACTER_SET, _AVAILABILITY, _RETRIEVE_URL)]
        self._plain.sort()
        nested = sorted((field for field in fields if field.within), key=lambda field: field.tag)
        self._nested = {
            tag: [field for field in nested if field.within == sequence] for sequence, tag in SEQUENCES.items()
        }

    def result(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """One result."""
        own = {
            _CHARACTER_SET: {"vr": "CS", "Value": ["ISO_IR 192"]},
            _AVAILABILITY: {"vr": "CS", "Value": ["ONLINE"]},
            _RETRIEVE_URL: {"vr": "UR", "Value": [self._url(values)]},
        }
        data = {tag: _element(vr, values[keyword]) if keyword else own[tag] for tag, vr, keyword in self._plain}
        nested = self._sequences(values)
        return dict(sorted({**data, **nested}.items())) if nested else data

    def _sequences(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for tag, fields in self._nested.items():
            rows = items(values, [field.keyword for field in fields])
            if told := [
                {
                    field.tag: _element(field.vr, row[field.keyword])
                    for field in fields
                    if row[field.keyword] is not None
                }
                for row in rows
            ]:
                found[tag] = {"vr": "SQ", "Value": told}
        return found

    def _url(self, values: Mapping[str, Any]) -> str:
        url = f"{self._base}/studies/{values['StudyInstanceUID']}"
        for place, keyword in (("series", "SeriesInstanceUID"), ("instances", "SOPInstanceUID")):
            if keyword in values:
                url += f"/{place}/{values[keyword]}"
        return url


def _element(vr: str, value: Any) -> dict[str, Any]:
    if vr == "PN":
        value = _name(value)
    elif vr == "DA" and value is not None:
        value = value.isoformat().replace("-", "")
    if value is None or value in ("", []):
        return {"vr": vr}
    return {"vr": vr, "Value": value if isinstance(value, list) else [value]}


def _name(value: Any) -> dict[str, str] | None:
    groups = value if isinstance(value, tuple) else (value,)
    return {name: group for name, group in zip(_NAME_GROUPS, groups, strict=False) if group} or None
