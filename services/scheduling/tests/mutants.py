"""Messages from which what should not come is made, and how the door for appointments reads them."""

from functools import partial
from typing import Final

from fj_doors import Subject
from fj_runtime import Sites
from scheduling_service.entrypoints.explain import understood
from scheduling_service.entrypoints.mllp import KINDS

OWN: Final = b"PQ"
"""What all numbers of orders and appointments begin with."""
SEEDS: Final = tuple(
    b"\r".join(
        (
            b"MSH|^~\\&|RIS|NORTH|FJ|MAIN|20260302091500||%s|C1|P|2.5.1||||||UNICODE UTF-8" % kind,
            b"SCH|PQAP1" + b"|" * 10 + b"^^^20260302140000" + b"|" * 15 + b"PQL1^EHR|PQA1^RIS",
            b"PID|1||P1^^^HOSP^MR||Example^Ada",
            b"RGS|1",
            b"AIS|1||CT^CT chest|20260302140000",
            b"AIG|1||CT1",
            b"AIL|1||ROOM1",
        )
    )
    for kind in (b"SIU^S12", b"SIU^S13", b"SIU^S15", b"SIU^S26")
)
SUBJECT: Final = Subject("appointments", tuple(KINDS), partial(understood, Sites.load(None)))
