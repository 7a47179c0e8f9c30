"""Whatever comes to the door for patients: it does not fall over, and AA is only for what it has understood."""

import asyncio

from fj_doors.explaining import explain
from fj_hl7 import AckCode, ErrorCode, Profiles, read_ack
from fj_testing.mutating import mutated
from hypothesis import given, settings
from patient_service.entrypoints.mllp import LINKS, MERGES, MOVES

from services.patient.tests.mutants import SEEDS, SUBJECT


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
