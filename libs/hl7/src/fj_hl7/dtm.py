"""Dates and times as HL7 writes them: YYYY[MM[DD[HH[MM[SS[.S..]]]]]][+/-ZZZZ] (v2.5.1 ch. 2.A.22 DTM, 2.A.77 TS)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import IntEnum
from functools import lru_cache
from typing import Final, Self


class BadTime(ValueError):
    """The text is no HL7 date or time."""


class Precision(IntEnum):
    """How exactly the sender knew it; the number is the count of digits that carry it."""

    YEAR = 4
    MONTH = 6
    DAY = 8
    HOUR = 10
    MINUTE = 12
    SECOND = 14
    FRACTION = 15


_FORM: Final = re.compile(r"(\d{4}|\d{6}|\d{8}|\d{10}|\d{12}|\d{14}(?:\.\d*)?)\s*(?:([+-])(\d{2}):?(\d{2}))?")
_LOWEST: Final = "00000101000000"
_MARKS: Final = str.maketrans("", "", "-:T")


@dataclass(frozen=True, slots=True)
class DTM:
    """`at` has a zone only when the sender gave an offset; without one it is in the zone of the sender's site."""

    at: datetime
    precision: Precision

    @classmethod
    @lru_cache(maxsize=256)  # of one message most times are the same, and of many within a second
    def parse(cls, text: str) -> Self:
        """Raises BadTime. 24:00 is 0:00 of the next day; a fraction is cut to microseconds."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise BadTime("not an HL7 date or time")
        digits, _, fraction = match[1].partition(".")
        precision = Precision.FRACTION if fraction else Precision(len(digits))
        full = digits + _LOWEST[len(digits) :]
        late = full[8:] == "240000"
        if late:
            full = full[:8] + "000000"
        try:
            at = datetime(
                int(full[:4]),
                int(full[4:6]),
                int(full[6:8]),
                int(full[8:10]),
                int(full[10:12]),
                int(full[12:14]),
                int((fraction + "000000")[:6]),
                _zone(match[2], match[3], match[4]),
            )
            return cls(at + timedelta(days=1) if late else at, precision)
        except (ValueError, OverflowError) as error:
            raise BadTime("not an HL7 date or time") from error


def write_dtm(at: datetime, precision: Precision = Precision.SECOND) -> str:
    """The HL7 text of a time, with its offset when it has one and is more exact than a day."""
    iso = at.isoformat(timespec="seconds")  # thirty times as fast as strftime, and this is in every answer
    text = iso[:19].translate(_MARKS)[: min(precision, Precision.SECOND)]
    if precision is Precision.FRACTION:
        text += f".{at.microsecond // 100:04d}"
    return text + iso[19:].replace(":", "")[:5] if precision > Precision.DAY else text


def _zone(sign: str | None, hours: str, minutes: str) -> timezone | None:
    if sign is None:
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)
