"""Messages from which what should not come is made, and how the door for results reads them."""

from functools import partial
from typing import Final

from fj_doors import Subject
from fj_runtime import Sites
from reporting_service.entrypoints.explain import understood
from reporting_service.entrypoints.mllp import KINDS

OWN: Final = b"PQ"
"""What all numbers of orders and documents begin with."""
HEAD = b"MSH|^~\\&|DICT|NORTH|FJ|MAIN|20260302091500||%s|C1|P|2.5.1||||||UNICODE UTF-8"
PID = b"PID|1||P1^^^HOSP^MR||Example^Ada"
TEXT = b"OBX|%d|TX|18748-4^Report^LN||Lungs: clear~Heart: normal||||||F"
UID = b"OBX|3|ST|113014^DICOM Study^DCM||1.2.840.1||||||F"
OBR = b"OBR|1|PQL1^EHR|PQA1^RIS|CT^CT chest" + b"|" * 18 + b"20260302091400|||F|||||||77&Doe&Rita"
TXA = b"TXA|1|DI|TX|20260302091400" + b"|" * 8
SEEDS: Final = (
    b"\r".join((HEAD % b"ORU^R01^ORU_R01", PID, b"ORC|RE|PQL1^EHR|PQA1^RIS", OBR, TEXT % 1, UID)),
    b"\r".join(
        (HEAD % b"ORU^R01", PID, OBR, TEXT % 1, OBR.replace(b"PQL1", b"PQL2").replace(b"|F|", b"|P|"), TEXT % 1)
    ),
    b"\r".join((HEAD % b"MDM^T02^MDM_T02", PID, TXA + b"||PQL1^EHR|PQA1^RIS||AU", TEXT % 1)),
    b"\r".join((HEAD % b"MDM^T06", PID, TXA + b"PQD2|PQD1||||AU", TEXT % 1)),
)
SUBJECT: Final = Subject("results", tuple(KINDS), partial(understood, Sites.load(None)))
