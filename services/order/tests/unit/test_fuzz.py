"""Whatever comes to the door for orders: it does not fall over, and AA is only for what it has understood."""

import asyncio

from fj_doors.explaining import explain
from fj_hl7 import AckCode, ErrorCode, Profiles, read_ack
from fj_testing.mutating import mutated
from hypothesis import given, settings
from order_service.domain.control import CONTROLS, REPLACEMENT

from services.order.tests.mutants import SEEDS, SUBJECT


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
