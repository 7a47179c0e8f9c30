"""Order control: what each code of a placer does, and how it is answered (HL7 v2.5.1 table 0119): one table.

What then happens in which state of the order stands in `life.MOVES`; both together are published in the README.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from order_service.domain.life import Act


@dataclass(frozen=True, slots=True)
class Control:
    """One order control code (ORC-1)."""

    act: Act
    unable: str
    """ORC-1 of the answer when the order's state does not allow it."""
    done: str = "OK"
    """ORC-1 of the answer when it was done."""
    needs_request: bool = False
    """Whether the message has to say what is asked for (OBR)."""
    places: bool = False
    """Whether it places an order that is not known."""
    waits: bool = True
    """Whether it waits for an order that is not known."""
    by_filler: bool = False
    """Whether ORC-3 says which order is meant: ORC-2 is new to it."""


_TABLE: Final = {
    "NW": Control(Act.CHANGE, "UA", needs_request=True, places=True, waits=False),
    "XO": Control(Act.CHANGE, "UX", "XR", needs_request=True),
    "XX": Control(Act.CHANGE, "UX", needs_request=True),
    "CA": Control(Act.CANCEL, "UC", "CR"),
    "OC": Control(Act.CANCEL, "UC"),
    "CR": Control(Act.CANCEL, "UC"),
    "DC": Control(Act.CANCEL, "UD", "DR"),
    "OD": Control(Act.CANCEL, "UD"),
    "DR": Control(Act.CANCEL, "UD"),
    "HD": Control(Act.HOLD, "UH", "HR"),
    "OH": Control(Act.HOLD, "UH"),
    "HR": Control(Act.HOLD, "UH"),
    "RL": Control(Act.RELEASE, "UR", "OR"),
    "OE": Control(Act.RELEASE, "UR"),
    "OR": Control(Act.RELEASE, "UR"),
    "RP": Control(Act.REPLACE, "UM", "RQ"),
    "RU": Control(Act.REPLACE, "UM"),
    "NA": Control(Act.NUMBER, "UX", waits=False, by_filler=True),
}
# XX, OC, OD, OH, OE and RU are how a department system says of an order of its own what it has done already;
# CR, DR, HR and OR (as requested), that it has done what somebody else asked it for.
# NA answers what `ehr_sync` asks with SN, about an order that was born here: it cannot come before it.

CONTROLS: Final[Mapping[str, Control]] = MappingProxyType(_TABLE)
STATUS: Final = "SC"
BY_STATUS: Final[Mapping[str, str]] = MappingProxyType({"CA": "OC", "DC": "OD", "HD": "OH", "SC": "OE"})
"""What SC (status changed) says by its status (ORC-5, table 0038). Of the exam itself its modality tells."""
REPLACEMENT: Final = "RO"
"""The group behind an RP or RU: what is wanted instead (ch. 4.5.1.1)."""
