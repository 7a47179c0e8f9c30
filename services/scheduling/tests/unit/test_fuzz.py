"""Whatever comes to the door for appointments: it does not fall over, and AA is only for what it has understood."""

import asyncio

from fj_doors.explaining import explain
from fj_hl7 import AckCode, ErrorCode, Profiles, read_ack
from fj_testing.mutating import mutated
from hypothesis import given, settings

from services.scheduling.tests.mutants import SEEDS, SUBJECT


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
        [lines] = told.parts
        said = {line.name: line.understood for line in lines}
        named = said["appointment_placer_number"] or said["appointment_filler_number"]
        assert named or (said["appointment"] and said["patient_id"]), "an order, or what a person finds it by"
        assert told.message is not None
        if told.message.kind in {"SIU^S12", "SIU^S13"}:
            assert said["appointment_start"]
