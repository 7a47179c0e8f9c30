"""A data set as XML: the Native DICOM Model (PS3.19 annex A.1), made of DICOM JSON (PS3.18 annex F)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_BEGIN: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
_END: Final = "</NativeDicomModel>"
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters that a text of DICOM may have (PS3.5 section 6.1.3) and XML 1.0 has no way to write."""
_KEPT: Final = {"\r": "&#13;"}
"""A reader would take it for the end of a line."""
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_NAME_COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def to_xml(described: Mapping[str, Any]) -> bytes:
    """A whole document in UTF-8. What XML cannot say is U+FFFD in it."""
    return "".join((_BEGIN, *_data_set(described), _END)).encode()


def _data_set(described: Mapping[str, Any]) -> Iterator[str]:
    for tag in sorted(described):
        if not _is_creator(tag):  # that stands in each element of its block
            yield f'<DicomAttribute {_named(tag, described)} vr="{described[tag]["vr"]}">'
            yield from _content(described[tag])
            yield "</DicomAttribute>"


def _content(element: Mapping[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    for number, value in enumerate(element.get("Value", ()), 1):
        match element["vr"]:
            case "SQ":
                yield f'<Item number="{number}">'
                yield from _data_set(value)
                yield "</Item>"
            case "PN":
                yield f'<PersonName number="{number}">'
                yield from _name(value or {})
                yield "</PersonName>"
            case _:
                yield f'<Value number="{number}">{_text(value)}</Value>'


def _name(groups: Mapping[str, str]) -> Iterator[str]:
    for group in _NAME_GROUPS:
        if written := groups.get(group):
            parts = zip(_NAME_COMPONENTS, written.split("^", len(_NAME_COMPONENTS) - 1), strict=False)
            yield f"<{group}>"
            yield from (f"<{name}>{_text(part)}</{name}>" for name, part in parts if part)
            yield f"</{group}>"


def _text(value: object) -> str:
    written = "" if value is None else str(value)
    return escape(_readable(written.removesuffix(".0") if isinstance(value, float) else written), _KEPT)


def _readable(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)


def _is_private(tag: str) -> bool:
    return int(tag[3], 16) % 2 == 1


def _is_creator(tag: str) -> bool:
    """(gggg,0010) to (gggg,00FF), PS3.5 section 7.8.1."""
    return _is_private(tag) and tag[4:6] == "00" and tag[6:] >= "10"


def _named(tag: str, described: Mapping[str, Any]) -> str:
    """A private element by its creator instead of the block; without one it keeps its tag, or two could be the same."""
    creators = described.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value", ()) if _is_private(tag) else ()
    if creators and creators[0]:
        return f'tag="{tag[:4]}00{tag[6:]}" privateCreator={quoteattr(_readable(str(creators[0])))}'
    keyword = keyword_for_tag(int(tag, 16))
    return f'tag="{tag}" keyword="{keyword}"' if keyword else f'tag="{tag}"'
