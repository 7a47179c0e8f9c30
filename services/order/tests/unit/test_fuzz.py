"""Whatever comes to the door for orders: it does not fall over, and AA is only for what it has understood."""

import asyncio
from functools import partial
from uuid import UUID

from fj_doors import Subject
from fj_doors.explaining import explain
from fj_hl7 import AckCode, ErrorCode, Profiles, read_ack
from fj_runtime import Sites
from fj_testing.mutating import mutated
from hypothesis import given, settings
from order_service.domain.control import CONTROLS, REPLACEMENT
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
        assert len(told.message.segments("PID")) == 1
        groups = told.message.segments("ORC")
        # Several groups of one placer order number may be one order.
        assert len({orc.get(2) for orc in groups} - {""}) <= len(told.parts) <= len(groups)
        for lines in told.parts:
            said = {line.name: line.understood for line in lines}
            assert said["order_control"] in {*CONTROLS, REPLACEMENT}
            assert said["placer_order_number"].split(" of ")[0]
            assert said["patient_id"].split(" of ")[0]
