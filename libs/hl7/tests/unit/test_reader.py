"""How a message is read: segments, fields, groups, line ends."""

import pytest
from fj_hl7 import BadMessage, BatchNotMessage, LineEnds, Message, Refusal
from hypothesis import given
from hypothesis import strategies as st

MSH = "MSH|^~\\&|EHR|NORTH|FJ|MAIN|20260301101500||ORM^O01^ORM_O01|C-1|P|2.5.1"
PID = 'PID|1||123^^^NORTH&1.2.3&ISO^MR~987^^^NATION||Example^Ada~Sample||19700401|F|||""'


def read(*lines: str) -> Message:
    return Message.parse("\r".join(lines).encode() + b"\r")


def test_msh_counts_its_separator_as_field_1() -> None:
    message = read(MSH)
    assert message.header.raw(1) == "|"
    assert message.header.raw(2) == "^~\\&"
    assert message["MSH"].get(9, 3) == "ORM_O01"
    assert (message.kind, message.control_id, message.version) == ("ORM^O01", "C-1", "2.5.1")
    assert message.sender == ("EHR", "NORTH")


def test_get_reaches_every_level() -> None:
    pid = read(MSH, PID)["PID"]
    assert pid.get(3) == "123"
    assert pid.get(3, 4) == "NORTH"
    assert pid.get(3, 4, sub=2) == "1.2.3"
    assert pid.get(3, 4, repetition=1) == "NATION"
    assert [value.get(5) for value in pid.values(3)] == ["MR", ""]


@pytest.mark.parametrize("place", [(99, 1, 0, 1), (3, 9, 0, 1), (3, 1, 9, 1), (3, 1, 0, 9), (8, 2, 0, 1), (8, 1, 1, 1)])
def test_what_is_not_there_is_empty(place: tuple[int, int, int, int]) -> None:
    assert not read(MSH, PID)["PID"].get(*place)


def test_null_reads_as_empty_and_can_be_told_from_it() -> None:
    pid = read(MSH, PID, 'ZZ1|a^""^c')["PID"]
    assert (pid.get(11), pid.is_null(11), pid.is_null(12)) == ("", True, False)
    zz1 = read(MSH, 'ZZ1|a^""^c')["ZZ1"]
    assert (zz1.get(1, 2), zz1.is_null(1, 2), zz1.is_null(1, 1)) == ("", True, False)


def test_text_is_the_whole_value_when_delimiters_were_not_escaped() -> None:
    obx = read(MSH, "OBX|1|TX|X||left & right ^ both \\T\\ done")["OBX"]
    assert obx.text(5) == "left & right ^ both & done"


def test_a_missing_segment_or_field_is_a_refusal_that_points_at_it() -> None:
    message = read(MSH, PID, "ORC|NW", "ORC|CA")
    with pytest.raises(Refusal) as no_segment:
        message["OBR"]
    assert [(error.code, error.segment) for error in no_segment.value.errors] == [("100", "OBR")]
    with pytest.raises(Refusal) as no_field:
        message.segments("ORC")[1].required(2)
    [error] = no_field.value.errors
    assert (error.code, error.segment, error.sequence, error.field) == ("101", "ORC", 2, 2)


@pytest.mark.parametrize(
    ("end", "kind"), [("\r", LineEnds.CR), ("\n", LineEnds.LF), ("\r\n", LineEnds.CRLF)], ids=["CR", "LF", "CRLF"]
)
def test_all_line_ends_are_read_and_told(end: str, kind: LineEnds) -> None:
    message = Message.parse(end.join((MSH, PID, "ORC|NW", "")).encode())
    assert message.line_ends is kind
    assert [segment.name for segment in message] == ["MSH", "PID", "ORC"]
    assert not message.strangers


def test_a_lone_line_feed_in_a_message_of_cr_is_text_unless_a_segment_follows() -> None:
    message = read(MSH, "OBX|1|TX|X||one\ntwo", "ORC|NW\nOBR|1")
    assert message["OBX"].get(5) == "one\ntwo"
    assert [segment.name for segment in message] == ["MSH", "OBX", "ORC", "OBR"]
    assert message.line_ends is LineEnds.MIXED


def test_lines_that_are_no_segments_are_counted_and_blank_ones_are_not() -> None:
    message = read(MSH, "broken text of an OBX", "", "  ", "pid|lower case", PID, "EVN")
    assert message.strangers == (2, 5)
    assert [segment.name for segment in message] == ["MSH", "PID", "EVN"]


def test_other_delimiters_than_the_usual_ones() -> None:
    message = read("MSH$*%!@$EHR$NORTH$$$$$ADT*A04$7$P$2.3", "PID$$$1***A@B$$M!F!x*Y%Z")
    assert message.kind == "ADT^A04"
    assert message["PID"].get(3, 4, sub=2) == "B"
    assert message["PID"].get(5) == "M$x"
    assert message["PID"].get(5, repetition=1) == "Z"


def test_a_short_msh_2_leaves_the_others_as_usual() -> None:
    assert read("MSH|^~|EHR||||||ADT^A01|1", "PID|||1^^^A&B")["PID"].get(3, 4, sub=2) == "B"


def test_groups_begin_at_orc_or_at_a_second_obr() -> None:
    message = read(MSH, PID, "ORC|NW|1", "TQ1|1", "OBR|1", "OBX|1", "ORC|NW|2", "OBR|2", "OBR|3", "ZDS|1.2")
    first, second, third = message.groups()
    assert [segment.name for segment in first] == ["ORC", "TQ1", "OBR", "OBX"]
    assert (second["ORC"].get(2), second["ORC"].sequence, second["OBR"].get(1)) == ("2", 2, "2")
    assert (third.segment("ORC"), third["OBR"].sequence, third["ZDS"].get(1)) == (None, 3, "1.2")
    assert "PID" not in first


def test_a_result_without_orc_has_one_group_an_obr() -> None:
    assert len(read(MSH, PID, "OBR|1", "OBX|1", "OBR|2", "OBX|1").groups()) == 2
    assert read(MSH, PID).groups() == []


def test_the_trigger_of_old_versions_comes_from_evn_or_is_the_only_one() -> None:
    assert read("MSH|^~\\&|||||||ADT|1|P|2.1", "EVN|A08|1994").kind == "ADT^A08"
    assert read("MSH|^~\\&|||||||ORM|1|P|2.1").kind == "ORM^O01"


@pytest.mark.parametrize(
    "raw",
    [b"", b"PID|1\r", b"MSH", b"MSH|", b"MSH|||A", b"MSH|^^^^|A", b"MSHA^~\\&|", b"\x00\x01\x02", b"MS"],
)
def test_what_is_no_message_is_told(raw: bytes) -> None:
    if raw in {b"MSH|", b"MSH|||A"}:  # no MSH-2: the usual delimiters
        assert Message.parse(raw).delimiters.component == "^"
        return
    with pytest.raises(BadMessage):
        Message.parse(raw)


def test_a_batch_is_told_apart_from_garbage() -> None:
    with pytest.raises(BatchNotMessage):
        Message.parse(b"BHS|^~\\&|A\rMSH|^~\\&|A\r")


def test_blanks_and_a_byte_order_mark_before_msh_are_skipped() -> None:
    assert Message.parse(b"\xef\xbb\xbf" + MSH.encode()).control_id == "C-1"
    assert Message.parse(b"\r\n  " + MSH.encode()).control_id == "C-1"


def test_a_time_that_is_none_is_a_warning_without_its_text() -> None:
    message = read(MSH, "OBR|1||||||YYYYMMDD|20260301")
    assert message["OBR"].time(7) is None
    assert message["OBR"].time(9) is None
    assert message.warnings == ["OBR-7 is not a time"]


def test_nul_never_passes() -> None:
    message = read(MSH, "OBX|1|TX|X||a\0b\\X00\\c")
    assert message["OBX"].get(5) == "abc"
    assert message.warnings == ["NUL was dropped"]


@given(st.binary(max_size=200))
def test_reading_never_fails_in_another_way(noise: bytes) -> None:
    for raw in (noise, MSH.encode() + b"\r" + noise, b"MSH" + noise):
        try:
            message = Message.parse(raw)
        except BadMessage:
            continue
        for segment in message:
            for field in range(len(segment) + 2):
                segment.get(field, 2, 1, 2)
                segment.text(field)
                segment.time(field)
        message.groups()


def test_a_segment_goes_on_in_the_addendum_behind_it() -> None:
    message = Message.parse(
        b"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rOBX|1|TX|R||The lung\rADD|s are clear.||||F\rNTE|1\rADD||x\r"
    )
    assert [segment.name for segment in message] == ["MSH", "OBX", "NTE"]
    assert (message["OBX"].get(5), message["OBX"].get(9)) == ("The lungs are clear.", "F")
    assert message["NTE"].get(2) == "x"
    assert message.strangers == ()


@pytest.mark.parametrize(
    ("pointer", "end", "part"),
    [("", "", False), ("", "DSC", False), ("", "DSC||F", False), ("", "DSC|17|F", True), ("17", "", True)],
)
def test_a_message_says_whether_it_is_one_part(pointer: str, end: str, *, part: bool) -> None:
    raw = f"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5||{pointer}\rOBR|1\r{end}"
    assert Message.parse(raw.encode()).is_part is part
