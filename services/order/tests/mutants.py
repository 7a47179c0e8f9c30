"""Messages from which what should not come is made, and how the door for orders reads them."""

from functools import partial
from uuid import UUID

from fj_doors import Subject
from fj_runtime import Sites
from order_service.entrypoints.explain import understood
from order_service.entrypoints.hl7 import Translator
from order_service.entrypoints.mllp import KINDS

HEAD = b"MSH|^~\\&|EHR|NORTH|FJ|MAIN|20260302091500||%s|C1|P|2.5.1||||||UNICODE UTF-8"
PATIENT = (
    b"PID|1||P1^^^HOSP^MR~X9^^^NAT||Example^Ada^B||19700401|F|||1 Road^^Town^ST^12345^US||555-1",
    b"PV1|1|O" + b"|" * 17 + b"V1",
)
SEEDS = tuple(
    b"\r".join((HEAD % kind, *PATIENT, *order))
    for kind, *order in (
        (
            b"ORM^O01^ORM_O01",
            b"ORC|NW|PL1^EHR|F1^RIS|||||||20260302090000|||7^Doc^Tor",
            b"TQ1|1||||||20260302140000||S",
            b"OBR|1|PL1^EHR||CTCHEST^CT chest^L|||||||||Cough|||||A18||||||CT",
            b"ZDS|1.2.840.1",
            b"ORC|CA|PL2^EHR" + b"|" * 14 + b"NN^No longer needed",
        ),
        (
            b"OMI^O23^OMI_O23",
            b"ORC|XO|PL1^EHR|F1",
            b"OBR|1|PL1^EHR||CT^x" + b"|" * 23 + b"^^^20260302^^S",
            b"IPC|A1|RP1|1.2.3|SPS1|CT||||AE1",
        ),
        (b"OMG^O19", b"ORC|RP|PL1^EHR", b"ORC|RO|PL2^EHR", b"OBR|2|PL2||MR^MR head"),
    )
)
SUBJECT = Subject("orders", KINDS, partial(understood, Translator(Sites.load(None), UUID(int=7))))
