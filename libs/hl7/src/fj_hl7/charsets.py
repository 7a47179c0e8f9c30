"""Bytes of a message to text by MSH-18 (HL7 table 0211), without ever losing a message for a wrong declaration."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

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
_SINGLE_BYTE: Final = frozenset({b"(B", b"(J"})
_LINES: Final = re.compile(rb"(?<=[\r\n])")
_C1_CONTROLS: Final = re.compile(rb"[\x80-\x9f]")


_UNKNOWN: Final = "MSH-18 names a character set that is not known"
_AS_UTF_8: Final = "not in the character set of MSH-18: read as UTF-8"
_AS_LATIN_1: Final = "not in the character set of MSH-18: read as Latin-1"
_DAMAGED: Final = "characters that no character set explains"
_REPLACED: Final = "\ufffd"


class Decoded(NamedTuple):
    """The text of a message, the Python codec that goes with it, and what was not as declared."""

    text: str
    codec: str
    warnings: tuple[str, ...] = ()


def known(name: str) -> bool:
    """Whether this is a character set of table 0211."""
    return bool(name.strip()) and name.strip().upper() in _CODECS


def decode(raw: bytes, declared: bytes, repetition: str = "~") -> Decoded:
    """Text of `raw` by MSH-18 as it stands there; the first of its repetitions is the default set. Never raises.

    When the declared set does not fit the bytes: UTF-8, then Latin-1, with a warning. ISO 8859 fits nearly all bytes;
    there a message that would hold control characters (80 to 9F) and is valid UTF-8 is read as UTF-8.
    """
    codecs, warnings = _declared(declared, repetition)
    if raw.isascii() and _ESC not in raw:
        return Decoded(raw.decode("ascii"), codecs[0], warnings)
    if _DESIGNATION.search(raw):
        text = "".join(_iso_2022(line, codecs[0]) for line in _LINES.split(raw))
        damaged = (_DAMAGED,) if _REPLACED in text else ()
        return Decoded(text, _JAPANESE if _JAPANESE in codecs else codecs[0], warnings + damaged)
    text, codec = _fit(raw, codecs[0])
    if codec != codecs[0]:
        warnings += (_AS_UTF_8 if codec == "utf-8" else _AS_LATIN_1,)
    return Decoded(text, codec, warnings)


@lru_cache(maxsize=256)
def _declared(msh_18: bytes, repetition: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = [name.strip().upper() for name in msh_18.decode("latin-1").split(repetition)]
    codecs = tuple(_CODECS.get(name, "ascii") for name in names)
    return codecs, () if _CODECS.keys() >= set(names) else (_UNKNOWN,)


def _fit(raw: bytes, codec: str) -> tuple[str, str]:
    """The text and the codec that read it."""
    better_utf_8 = codec.startswith("iso8859") and _C1_CONTROLS.search(raw)
    for candidate in ("utf-8", codec) if better_utf_8 else (codec, "utf-8"):
        try:
            return raw.decode(candidate), candidate
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "latin-1"


def _iso_2022(line: bytes, default: str) -> str:
    """Code extension (ISO 2022) run by run: a double-byte run may hold the byte of any delimiter.

    Each line begins anew with the default set.
    """
    first, *rest = _DESIGNATION.split(line)
    text = [_fit(first, default)[0]]
    left, right = b"(B", default
    for designation, run in zip(rest[::2], rest[1::2], strict=True):
        if designation in _RIGHT_HALF:
            right = _RIGHT_HALF[designation]
        else:
            left = designation
        if left in _SINGLE_BYTE:
            text.append(_fit(run, right)[0])
        else:
            text.append((_ESC + left + run + b"\x1b(B").decode(_JAPANESE, "replace"))
    return "".join(text)
