"""Batches: several messages in one piece (HL7 v2.5.1 ch. 2.10.3: [FHS] {[BHS] {message} [BTS]} [FTS])."""

import re
from typing import Final

from fj_hl7.errors import BadMessage

_ENVELOPE: Final = re.compile(rb"(?:FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9]|$)")
_LINE_ENDS: Final = re.compile(rb"\r\n|\r|\n")


def is_batch(raw: bytes) -> bool:
    """Whether a batch header comes first."""
    return bool(_ENVELOPE.match(raw.removeprefix(b"\xef\xbb\xbf").lstrip()))


def split_batch(raw: bytes) -> list[bytes]:
    """The messages of a batch in their order, each as it stood there.

    Works on bytes: each message has its own character set. Raises BadMessage when there is no message, when a line
    belongs to none, or when BTS-1 counts other than what is there.
    """
    messages: list[list[bytes]] = []
    inside = False
    before_batch = 0
    for line in _LINE_ENDS.split(raw.removeprefix(b"\xef\xbb\xbf").strip()):
        if line.startswith(b"MSH"):
            messages.append([line])
            inside = True
        elif _ENVELOPE.match(line):
            inside = False
            if line.startswith(b"BHS"):
                before_batch = len(messages)
            elif line.startswith(b"BTS"):
                _check_count(line, len(messages) - before_batch)
        elif inside:
            messages[-1].append(line)
        elif line.strip():
            raise BadMessage("a line of the batch belongs to no message")
    if not messages:
        raise BadMessage("the batch has no message")
    return [b"\r".join(lines).rstrip() + b"\r" for lines in messages]


def _check_count(trailer: bytes, found: int) -> None:
    said = trailer.split(trailer[3:4])[1].strip() if len(trailer) > 4 else b""
    if said.isdigit() and int(said) != found:
        raise BadMessage(f"BTS-1 counts {int(said)} messages, the batch has {found}")
