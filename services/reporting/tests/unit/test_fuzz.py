"""Whatever comes to the door for results: it does not fall over, and AA is only for what it has understood."""

import asyncio
from functools import partial

from fj_doors import Subject
from fj_doors.explaining import explain
from fj_hl7 import AckCode, ErrorCode, Profiles, read_ack
from fj_runtime import Sites
from fj_testing.mutating import mutated
from hypothesis import given, settings
from reporting_service.domain.report import Status
from reporting_service.entrypoints.explain import understood
from reporting_service.entrypoints.mllp import KINDS

HEAD = b"MSH|^~\\&|DICT|NORTH|FJ|MAIN|20260302091500||%s|C1|P|2.5.1||||||UNICODE UTF-8"
PID = b"PID|1||P1^^^HOSP^MR||Example^Ada"
TEXT = b"OBX|%d|TX|18748-4^Report^LN||Lungs: clear~Heart: normal||||||F"
UID = b"OBX|3|ST|113014^DICOM Study^DCM||1.2.840.1||||||F"
OBR = b"OBR|1|PL1^EHR|A1^RIS|CT^CT chest" + b"|" * 18 + b"20260302091400|||F|||||||77&Doe&Rita"
TXA = b"TXA|1|DI|TX|20260302091400" + b"|" * 10 + b"PL1^EHR|A1^RIS||AU"
SEEDS = (
    b"\r".join((HEAD % b"ORU^R01^ORU_R01", PID, b"ORC|RE|PL1^EHR|A1^RIS", OBR, TEXT % 1, UID)),
    b"\r".join((HEAD % b"ORU^R01", PID, OBR, TEXT % 1, OBR.replace(b"PL1", b"PL2").replace(b"|F|", b"|P|"), TEXT % 1)),
    b"\r".join(
        (HEAD % b"MDM^T02^MDM_T02", PID, b"TXA|1|DI|TX|20260302091400" + b"|" * 10 + b"PL1^EHR|A1^RIS||AU", TEXT % 1)
    ),
    b"\r".join((HEAD % b"MDM^T06", PID, b"TXA|1|DI|TX|20260302091400" + b"|" * 8 + b"D2|D1||||AU", TEXT % 1)),
)
SUBJECT = Subject("results", tuple(KINDS), partial(understood, Sites.load(None)))


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
        assert told.parts or (told.message is not None and told.message.is_part)
        for lines in told.parts:
            said = {line.name: line.understood for line in lines}
            assert (
                said["addendum_to"]
                or said["placer_order_number"]
                or said["accession_number"]
                or said["study_instance_uid"]
            )
            assert said["text"]
            assert said["result_status"] in {status.value for status in Status}


def test_each_seed_is_taken() -> None:
    for raw in SEEDS:
        [told] = asyncio.run(explain(SUBJECT, raw, Profiles()))
        assert told.answer.code is AckCode.AA, told.answer.errors
