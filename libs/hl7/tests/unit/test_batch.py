"""Batches taken apart (HL7 v2.5.1 ch. 2.10.3)."""

import pytest
from fj_hl7 import BadMessage, Message, split_batch

FHS = b"FHS|^~\\&|A|B|C|D|2026||F1\r"
BHS = b"BHS|^~\\&|A|B|C|D|2026||B1\r"


def adt(control_id: int) -> bytes:
    return b"MSH|^~\\&|A|B|C|D|2026||ADT^A04|%d|P|2.5\rPID|||%d\r" % (control_id, control_id)


@pytest.mark.parametrize(
    ("raw", "ids"),
    [
        (FHS + BHS + adt(1) + adt(2) + b"BTS|2|fine\rFTS|1\r", ["1", "2"]),
        (FHS + BHS + adt(1) + b"BTS|1\r" + BHS + adt(2) + adt(3) + b"BTS|2\rFTS|2\r", ["1", "2", "3"]),
        (BHS + adt(1) + b"BTS\r", ["1"]),
        (FHS + adt(1) + adt(2), ["1", "2"]),
        (b"\xef\xbb\xbf" + (BHS + adt(1) + b"BTS|1\r").replace(b"\r", b"\r\n"), ["1"]),
    ],
)
def test_each_message_comes_out_in_order(raw: bytes, ids: list[str]) -> None:
    messages = [Message.parse(part) for part in split_batch(raw)]
    assert [message.control_id for message in messages] == ids
    assert [message["PID"].get(3) for message in messages] == ids


@pytest.mark.parametrize(
    "raw",
    [
        FHS + BHS + b"BTS|0\rFTS|1\r",
        BHS + adt(1) + b"BTS|2\r",
        BHS + b"PID|1\r" + adt(1) + b"BTS|1\r",
        BHS + adt(1) + b"BTS|1\rstray\r",
        b"",
    ],
)
def test_a_batch_that_does_not_add_up_is_refused(raw: bytes) -> None:
    with pytest.raises(BadMessage):
        split_batch(raw)
