"""Whatever comes to the door for results: it does not fall over, and AA is only for what it has understood."""

import asyncio

from fj_doors.explaining import explain
from fj_hl7 import AckCode, ErrorCode, Profiles, read_ack
from fj_testing.mutating import mutated
from hypothesis import given, settings
from reporting_service.domain.report import Status

from services.reporting.tests.mutants import SEEDS, SUBJECT


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
