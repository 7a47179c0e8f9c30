"""Batches: several messages in one piece (HL7 v2.5.1 ch. 2.10.3: [FHS] {[BHS] {message} [BTS]} [FTS])."""

import re
from typing import Final

from fj_hl7.errors import BadMessage

_ENVELOPE: Final = re.compile(rb"(?:FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9]|$)")
_MESSAGE: Final = b"MSH"
_LINE_ENDS: Final = re.compile(rb"\r\n|\r|\n")


def split_batch(raw: bytes) -> list[bytes]:
    """The messages of a batch in their order, each as it stood there. Raises BadMessage when there is none.

    Works on bytes: each message has its own character set. Lines that belong to no message are refused.
    """
    messages: list[list[bytes]] = []
    inside = False
    for line in _LINE_ENDS.split(raw):
        if line.startswith(_MESSAGE):
            messages.append([line])
            inside = True
        elif _ENVELOPE.match(line.removeprefix(b"\xef\xbb\xbf")):
            inside = False
        elif inside:
            messages[-1].append(line)
        elif line.strip():
            raise BadMessage("a line of the batch belongs to no message")
    if not messages:
        raise BadMessage("the batch has no message")
    return [b"\r".join(lines).rstrip() + b"\r" for lines in messages]
