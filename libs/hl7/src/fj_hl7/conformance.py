"""What hl7apy says of a message: whether it keeps to the standard. Slow (tens of ms): never on a hot path.

Import this module by its name; `fj_hl7` itself stays free of hl7apy. hl7apy only checks here and never writes: it
encodes escape sequences twice.
"""

from typing import Final

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message, parse_segment

from fj_hl7.message import Message

# hl7apy 1.3.5 takes a choice of order detail segments (ORM_O01, ORR_O02) for "all of them" (crs4/hl7apy#151, #142).
_BY_SEGMENT: Final = frozenset({"ORM", "ORR"})


def problems(raw: bytes) -> list[str]:
    """Where the message leaves the standard; empty when it does not. The texts may quote the message.

    ORM^O01 and ORR^O02 are checked segment by segment, without Z segments; all others as a whole.
    """
    message = Message.parse(raw)
    if message.code in _BY_SEGMENT:
        return [text for segment in _segments(message) for text in _segment_problems(segment, message.version)]
    try:
        parse_message("\r".join(_segments(message)), validation_level=VALIDATION_LEVEL.STRICT).validate()
    except (HL7apyException, ValueError) as error:
        return [str(error)]
    return []


def _segments(message: Message) -> list[str]:
    return [str(segment) for segment in message if not segment.name.startswith("Z")]


def _segment_problems(text: str, version: str) -> list[str]:
    try:
        parse_segment(text, version=version, validation_level=VALIDATION_LEVEL.STRICT).validate()
    except (HL7apyException, ValueError) as error:
        return [f"{text[:3]}: {error}"]
    return []
