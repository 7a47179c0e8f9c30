"""Messages from which what should not come is made, and how the door for patients reads them."""

from functools import partial
from uuid import UUID

from fj_doors import Subject
from fj_runtime import Sites
from fj_testing import PATIENT_NAMESPACE
from patient_service.entrypoints.explain import understood
from patient_service.entrypoints.mllp import KINDS

OWN = b"PQ"
"""What all numbers begin with."""
HEAD = b"MSH|^~\\&|ADT|NORTH|FJ|MAIN|20260302091500||%s|C1|P|2.5.1||||||UNICODE UTF-8"
EVENT = b"EVN||20260302091400"
ADA = b"PID|1||PQP1^^^HOSP^MR~PQX9^^^NAT||Example^Ada^B~\xe5\xb1\xb1^x^^^^^^I||19700401|F|||1 Road^^Town^ST||555-1"
SEEDS = tuple(
    b"\r".join((HEAD % kind, EVENT, ADA, *rest))
    for kind, *rest in (
        (b"ADT^A01^ADT_A01", b"PV1|1|I|4W^401^2|||W0|||||||||||||PQV1^^^HOSP"),
        (b"ADT^A08",),
        (
            b"ADT^A40",
            b"MRG|PQP2^^^HOSP||||||Example^Eda",
            b"PID|2||PQP3^^^HOSP||Example^Ida",
            b"MRG|PQP4^^^HOSP~PQP5^^^HOSP",
        ),
        (b"ADT^A24", b"PID|2||PQP3^^^OTHER||Example^Ida"),
        (b"ADT^A45", b"MRG|PQP2^^^HOSP||||PQV1^^^HOSP"),
        (b"ADT^A44", b"MRG|PQP2^^^HOSP||PQA1^^^HOSP"),
        (b"ADT^A48", b"MRG|PQP2^^^HOSP|PQX8^^^NAT"),
        (b"ADT^A50", b"MRG|PQP1^^^HOSP||||PQV1^^^HOSP", b"PV1|1|O|||||||||||||||||PQV2^^^HOSP"),
        (b"ADT^A51", b"MRG|PQP1^^^HOSP|||||PQW1^^^HOSP", b"PV1|1|O"),
    )
)
SUBJECT = Subject("patients", KINDS, partial(understood, Sites.load(None), UUID(PATIENT_NAMESPACE)))
