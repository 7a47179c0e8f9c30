"""The answer of a STOW-RS request (PS3.18 section 10.5.3, tables 10.5.3-1 and I.2-1)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from pydicom.datadict import keyword_for_tag

from ingest_service.domain.reception import Reason
from ingest_service.entrypoints.part import PartResult
from ingest_service.entrypoints.storable import STATUS

RETRIEVE_URL: Final = "00081190"
REFERENCED_SOP_CLASS_UID: Final = "00081150"
REFERENCED_SOP_INSTANCE_UID: Final = "00081155"
FAILURE_REASON: Final = "00081197"
FAILED_SOP_SEQUENCE: Final = "00081198"
REFERENCED_SOP_SEQUENCE: Final = "00081199"
OTHER_FAILURES_SEQUENCE: Final = "0008119A"

STORED: Final = 200
STORED_IN_PART: Final = 202
NOTHING_STORED: Final = 409
BUSY: Final = 503


def status_of(results: Sequence[PartResult]) -> int:
    """The HTTP status: all, some or none of the parts were stored."""
    refusals = [result.refusal for result in results if result.refusal is not None]
    if not refusals:
        return STORED
    if len(refusals) < len(results):
        return STORED_IN_PART
    return BUSY if all(refusal.reason is Reason.OUT_OF_RESOURCES for refusal in refusals) else NOTHING_STORED


def payload(results: Sequence[PartResult], root: str) -> dict[str, Any]:
    """The Store Instances Response Module in the DICOM JSON model. `root` is the URL above `/studies`."""
    stored = [result for result in results if result.refusal is None]
    failed = [result for result in results if result.refusal is not None]
    studies = {result.study_instance_uid for result in stored}
    answer: dict[str, Any] = {}
    if len(studies) == 1:
        answer[RETRIEVE_URL] = _element("UR", [f"{root}/studies/{next(iter(studies))}"])
    if stored:
        answer[REFERENCED_SOP_SEQUENCE] = _element("SQ", (_stored(result, root) for result in stored))
    if named := [result for result in failed if result.sop_instance_uid]:
        answer[FAILED_SOP_SEQUENCE] = _element("SQ", (_references(result) | _failure(result) for result in named))
    if nameless := [result for result in failed if not result.sop_instance_uid]:
        answer[OTHER_FAILURES_SEQUENCE] = _element("SQ", (_failure(result) for result in nameless))
    return answer


def as_xml(answer: Mapping[str, Any]) -> bytes:
    """The same in the Native DICOM Model (PS3.19 section A.1)."""
    root = Element("NativeDicomModel", {"xml:space": "preserve"})
    _attributes(root, answer)
    encoded: bytes = tostring(root, "utf-8", xml_declaration=True)
    return encoded


def _attributes(parent: Element, elements: Mapping[str, Any]) -> None:
    for tag, element in elements.items():
        keyword = keyword_for_tag(int(tag, 16))
        attribute = SubElement(parent, "DicomAttribute", {"tag": tag, "vr": element["vr"], "keyword": keyword})
        for number, value in enumerate(element["Value"], start=1):
            if element["vr"] == "SQ":
                _attributes(SubElement(attribute, "Item", {"number": str(number)}), value)
            else:
                SubElement(attribute, "Value", {"number": str(number)}).text = str(value)


def warning(results: Sequence[PartResult]) -> str | None:
    """Text of a Warning header (RFC 7234 5.5): why the first part that failed did."""
    refusal = next((result.refusal for result in results if result.refusal is not None), None)
    return None if refusal is None else f'299 filmjacket "{refusal.comment}"'


def _stored(result: PartResult, root: str) -> dict[str, Any]:
    url = f"{root}/studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
    return _references(result) | {RETRIEVE_URL: _element("UR", [f"{url}/instances/{result.sop_instance_uid}"])}


def _references(result: PartResult) -> dict[str, Any]:
    return {
        REFERENCED_SOP_CLASS_UID: _element("UI", [result.sop_class_uid]),
        REFERENCED_SOP_INSTANCE_UID: _element("UI", [result.sop_instance_uid]),
    }


def _failure(result: PartResult) -> dict[str, Any]:
    reasons = [] if result.refusal is None else [STATUS[result.refusal.reason]]
    return {FAILURE_REASON: _element("US", reasons)}


def _element(vr: str, values: Iterable[Any]) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}
