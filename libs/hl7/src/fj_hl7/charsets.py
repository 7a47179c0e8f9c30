"""Bytes of a message to text by MSH-18 (HL7 table 0211), without ever losing a message for a wrong declaration."""

import re
from dataclasses import dataclass
from typing import Final

_ESC: Final = b"\x1b"
_JAPANESE: Final = "iso2022_jp_ext"

# HL7 table 0211 to Python's codecs. ISO 8859-12 was never published.
_CODECS: Final[dict[str, str]] = {
    "": "ascii",
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (*range(1, 12), 13, 14, 15, 16)},
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "ISO IR13": "shift_jis",
    "ISO IR14": "shift_jis",  # JIS X 0201, whose eight-bit half is the single-byte half of Shift JIS
    "ISO IR87": _JAPANESE,
    "ISO IR159": _JAPANESE,
    "GB 18030-2000": "gb18030",
    "GB 18030": "gb18030",
    "KS X 1001": "euc_kr",
    "CNS 11643-1992": "big5hkscs",
    "BIG-5": "big5hkscs",
}
_DESIGNATION: Final = re.compile(rb"\x1b(\$\([BCD]|\$[@B]|\([BIJ]|\$\)[AC]|\)I|-[A-Z])")
# ISO 2022: what a designation puts into the right (eight-bit) half; all others change the left half.
_RIGHT_HALF: Final[dict[bytes, str]] = {
    b"$)C": "euc_kr",
    b"$)A": "gb2312",
    b")I": "shift_jis",
    **{
        b"-" + final.encode(): f"iso8859_{part}"
        for final, part in {"A": 1, "B": 2, "C": 3, "D": 4, "L": 5, "G": 6, "F": 7, "H": 8, "M": 9, "T": 11}.items()
    },
}
_C1_CONTROLS: Final = re.compile(rb"[\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a message, the Python codec that goes with it, and what was not as declared."""

    text: str
    codec: str
    warnings: tuple[str, ...] = ()


def decode(raw: bytes, declared: tuple[str, ...]) -> Decoded:
    """Text of `raw` by the values of MSH-18, the first of which is the default set. Never raises.

    When the declared set does not fit the bytes: UTF-8, then Latin-1, with a warning. ISO 8859 fits every byte; there
    a message that is valid UTF-8 and would hold control characters (80 to 9F) as 8859 is read as UTF-8.
    """
    codecs, warnings = _declared(declared)
    if raw.isascii() and _ESC not in raw:
        return Decoded(raw.decode("ascii"), codecs[0], warnings)
    main = next((codec for codec in codecs if codec == _JAPANESE), codecs[0])
    try:
        if _DESIGNATION.search(raw):
            return Decoded(_iso_2022(raw, codecs[0]), main, warnings)
        if codecs[0].startswith("iso8859") and _C1_CONTROLS.search(raw):
            return Decoded(raw.decode("utf-8"), "utf-8", (*warnings, f"declared as {declared[0]}, read as UTF-8"))
        return Decoded(raw.decode(codecs[0]), main, warnings)
    except UnicodeDecodeError:
        return _fallback(raw, codecs[0], declared, warnings)


def _declared(values: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = [value.strip().upper() for value in values] or [""]
    codecs = tuple(_CODECS.get(name, "ascii") for name in names)
    unknown = tuple("MSH-18 names a character set that is not known" for name in names if name not in _CODECS)
    return codecs, unknown


def _fallback(raw: bytes, codec: str, declared: tuple[str, ...], warnings: tuple[str, ...]) -> Decoded:
    said = (declared[0] if declared and not any("not known" in w for w in warnings) else "") or "nothing"
    if codec.startswith("iso8859"):
        return Decoded(raw.decode(codec, "replace"), codec, warnings)
    try:
        return Decoded(raw.decode("utf-8"), "utf-8", (*warnings, f"declared as {said}, read as UTF-8"))
    except UnicodeDecodeError:
        return Decoded(raw.decode("latin-1"), "latin-1", (*warnings, f"declared as {said}, read as Latin-1"))


def _iso_2022(raw: bytes, default: str) -> str:
    """Code extension (ISO 2022) run by run: a double-byte run may hold the byte of any delimiter."""
    parts = _DESIGNATION.split(raw)
    text = [parts[0].decode(default)]
    left, right = b"(B", default
    for designation, run in zip(parts[1::2], parts[2::2], strict=True):
        if designation in _RIGHT_HALF:
            right = _RIGHT_HALF[designation]
        else:
            left = designation
        if left in (b"(B", b"(J"):
            text.append(run.decode(right))
        else:
            text.append((_ESC + left + run + b"\x1b(B").decode(_JAPANESE))
    return "".join(text)
