"""The Native DICOM Model in XML (PS3.19 section A.1) as the DICOM JSON model (PS3.18 annex F)."""

from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, fromstring

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_PARTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def described(text: bytes) -> dict[str, Any]:
    """One data set. Raises ValueError where it is not one."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError("a document type is not taken")
    try:
        root = fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except ParseError:
        raise ValueError("it is no XML") from None
    if _name(root) != "NativeDicomModel":
        raise ValueError("it is no NativeDicomModel")
    return _attributes(root)


def _attributes(parent: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in parent:
        if _name(attribute) != "DicomAttribute":
            raise ValueError("an element is no DicomAttribute")
        tag, vr = attribute.get("tag", "").upper(), attribute.get("vr", "")
        if len(tag) != 8 or not vr:
            raise ValueError("an attribute has no tag or VR")
        if creator := attribute.get("privateCreator"):
            tag = _in_block(tag, creator, found)
        found[tag] = {"vr": vr, **_content(attribute, vr)}
    return found


def _in_block(tag: str, creator: str, found: dict[str, Any]) -> str:
    """The tag of a private element, which XML has as gggg00ee, in its creator's block (PS3.5 section 7.8.1)."""
    group = tag[:4]
    for block in range(0x10, 0x100):
        reserved = found.setdefault(f"{group}00{block:02X}", {"vr": "LO", "Value": [creator]})
        if reserved.get("Value") == [creator]:
            return f"{group}{block:02X}{tag[6:]}"
    raise ValueError("a group has more private creators than blocks")


def _content(attribute: Element, vr: str) -> dict[str, Any]:
    children = list(attribute)
    if children and _name(children[0]) == "BulkData":
        return {"BulkDataURI": children[0].get("uri", "")}
    if children and _name(children[0]) == "InlineBinary":
        return {"InlineBinary": "".join((children[0].text or "").split())}
    ordered = sorted(children, key=lambda child: int(child.get("number", "1")))
    values = [_value(child, vr) for child in ordered]
    return {"Value": values} if values else {}


def _value(child: Element, vr: str) -> Any:
    match _name(child):
        case "Item":
            return _attributes(child)
        case "PersonName":
            return {_name(group): _person(group) for group in child if _name(group) in _GROUPS}
        case "Value":
            text = child.text or ""
            if vr in {"US", "SS", "UL", "SL", "IS"}:
                return int(text) if text.strip() else None
            return float(text) if vr in {"FL", "FD", "DS"} and text.strip() else text or None
        case name:
            raise ValueError(f"{name} is no value")


def _person(group: Element) -> str:
    parts = {_name(part): part.text or "" for part in group}
    return "^".join(parts.get(name, "") for name in _PARTS).rstrip("^")


def _name(element: Element) -> str:
    """Without its namespace."""
    return element.tag.rpartition("}")[2]
