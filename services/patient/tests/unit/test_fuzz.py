"""Whatever comes to the door for patients: it does not fall over, and AA is only for what it has understood."""

import asyncio
from functools import partial
from uuid import UUID

from fj_doors import Subject
from fj_doors.explaining import explain
from fj_hl7 import AckCode, ErrorCode, Profiles, read_ack
from fj_runtime import Sites
from fj_testing.mutating import mutated
from hypothesis import given, settings
from patient_service.entrypoints.explain import understood
from patient_service.entrypoints.mllp import KINDS, LINKS, MERGES, MOVES

HEAD = b"MSH|^~\\&|ADT|NORTH|FJ|MAIN|20260302091500||%s|C1|P|2.5.1||||||UNICODE UTF-8"
EVENT = b"EVN||20260302091400"
ADA = b"PID|1||P1^^^HOSP^MR~X9^^^NAT||Example^Ada^B~\xe5\xb1\xb1^x^^^^^^I||19700401|F|||1 Road^^Town^ST^12345^US||555-1"
SEEDS = tuple(
    b"\r".join((HEAD % kind, EVENT, ADA, *rest))
    for kind, *rest in (
        (b"ADT^A01^ADT_A01", b"PV1|1|I|4W^401^2|||W0|||||||||||||V1^^^HOSP"),
        (b"ADT^A08",),
        (b"ADT^A40", b"MRG|P2^^^HOSP||||||Example^Eda", b"PID|2||P3^^^HOSP||Example^Ida", b"MRG|P4^^^HOSP~P5^^^HOSP"),
        (b"ADT^A24", b"PID|2||P3^^^OTHER||Example^Ida"),
        (b"ADT^A45", b"MRG|P2^^^HOSP||||V1^^^HOSP"),
        (b"ADT^A44", b"MRG|P2^^^HOSP||A1^^^HOSP"),
        (b"ADT^A48", b"MRG|P2^^^HOSP|X8^^^NAT"),
        (b"ADT^A50", b"MRG|P1^^^HOSP||||V1^^^HOSP", b"PV1|1|O|||||||||||||||||V2^^^HOSP"),
        (b"ADT^A51", b"MRG|P1^^^HOSP|||||W1^^^HOSP", b"PV1|1|O"),
    )
)
SUBJECT = Subject("patients", KINDS, partial(understood, Sites.load(None), UUID(int=7)))


@settings(max_examples=400, deadline=None)
@given(mutated(SEEDS))
def test_whatever_comes_is_answered_and_aa_is_for_what_was_understood(raw: bytes) -> None:
    for told in asyncio.run(explain(SUBJECT, raw, Profiles())):
        assert read_ack(told.answer.raw).code == told.answer.code
        assert all(error.code is not ErrorCode.APPLICATION_INTERNAL_ERROR for error in told.answer.errors)
        if told.message is not None:
            assert told.message.control_id.encode(told.message.codec, "replace") in told.answer.raw
        if told.answer.code is not AckCode.AA:
            assert told.answer.errors
            continue
        assert told.message is not None
        assert told.message.strangers == ()
        patients, merges = len(told.message.segments("PID")), len(told.message.segments("MRG"))
        if told.message.kind in {*MERGES, *MOVES}:
            assert len(told.parts) >= max(merges, patients)
        elif told.message.kind in LINKS:
            assert len(told.parts) == patients - 1
        else:
            assert (len(told.parts), patients) == (1, 1)
        for lines in told.parts:
            said = {line.name: line.understood for line in lines}
            for name in {"patient_id", "prior", "other", "replaced"} & said.keys():
                assert said[name].split(" of ")[0], name
