"""MSH-1 and MSH-2, and the escape sequences that protect them (HL7 v2.5.1 ch. 2.5.4 and 2.7)."""

import re
import string
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from fj_hl7.errors import BadMessage

_POSSIBLE: Final = frozenset(string.punctuation)


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The five encoding characters of one message."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, head: bytes) -> Self:
        """From the five bytes after the name of a header; what MSH-2 leaves out is as usual. Raises BadMessage."""
        text = head.decode("latin-1")
        given = text[1:].partition(text[:1])[0] if text else ""
        usual = cls()
        usual_characters = (usual.component, usual.repetition, usual.escape, usual.subcomponent)
        characters = (text[:1], *given, *usual_characters[len(given) :])
        if len(set(characters)) != len(characters) or not all(c in _POSSIBLE for c in characters):
            raise BadMessage("MSH-1 and MSH-2 do not give five different delimiters")
        return cls(*characters)


USUAL: Final = Delimiters()

# What ends a line when formatted text becomes plain text (ch. 2.7.6); the other commands only move the margin.
_LINE_ENDS: Final = frozenset({".br", ".sp", ".ce"})
_MAX_REPEAT: Final = 200


def unescape(text: str, delimiters: Delimiters = USUAL, codec: str = "utf-8") -> str:
    r"""Plain text of one escaped value.

    `\F\ \S\ \T\ \R\ \E\` give the delimiters, `\Xdd..\` the bytes in the message's character set, `\.br\ \.sp\ \.ce\`
    line ends, `\.sk n\` blanks; highlighting (`\H\ \N\`) and margins (`\.in\ \.ti\ \.fi\ \.nf\`) leave nothing.
    `\C..\`, `\M..\`, `\Z..\` and all that is no escape sequence stay as they are.
    """
    if delimiters.escape not in text:
        return text
    pattern, literals = _sequences(delimiters)

    def plain(match: re.Match[str]) -> str:
        body = match[1]
        literal = literals.get(body)
        if literal is not None:
            return literal
        if body[0] == "X":
            return _from_hex(body[1:], codec)
        if body[0] == ".":
            return _formatted(body)
        return match[0]

    return pattern.sub(plain, text)


def escape(text: str, delimiters: Delimiters = USUAL) -> str:
    r"""The value as it may stand in a segment: delimiters escaped, line feed as `\.br\`, other controls as `\Xdd\`."""
    return text.translate(_escapes(delimiters))


@lru_cache(maxsize=64)
def _sequences(delimiters: Delimiters) -> tuple[re.Pattern[str], dict[str, str]]:
    mark = re.escape(delimiters.escape)
    known = r"[FSTREHN]|X(?:[0-9A-Fa-f]{2})+|\.(?:br|sp|ce|in|ti|fi|nf|sk)\s?[+-]?\d*"
    kept = f"[CMZ][^{mark}]*"
    literals = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "H": "",
        "N": "",
    }
    return re.compile(f"{mark}({known}|{kept}){mark}"), literals


@lru_cache(maxsize=64)
def _escapes(delimiters: Delimiters) -> dict[int, str]:
    def wrap(body: str) -> str:
        return f"{delimiters.escape}{body}{delimiters.escape}"

    table = {code: wrap(f"X{code:02X}") for code in (*range(32), 127)}
    table[ord("\n")] = wrap(".br")
    for letter, character in zip(
        "FSTRE",
        (
            delimiters.field,
            delimiters.component,
            delimiters.subcomponent,
            delimiters.repetition,
            delimiters.escape,
        ),
        strict=True,
    ):
        table[ord(character)] = wrap(letter)
    return table


def _from_hex(digits: str, codec: str) -> str:
    value = bytes.fromhex(digits).replace(b"\0", b"")
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _formatted(body: str) -> str:
    command, argument = body[:3], body[3:].strip()
    count = min(int(argument), _MAX_REPEAT) if argument.isdecimal() else 1
    if command in _LINE_ENDS:
        return "\n" * (count if command == ".sp" else 1)
    return " " * count if command == ".sk" else ""
