"""What a scheduling system says of an appointment, read by the profile of its sender."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fj_events import Identifier
from fj_hl7 import Message, Profiles, Refusal
from fj_runtime import Sites
from scheduling_service.domain.news import Told
from scheduling_service.entrypoints.mllp import KINDS, read_news


def an_old_one(trigger: str) -> bytes:
    """As a system of v2.3 has it: its SCH ends before SCH-26, and the room has another time than the appointment."""
    return "\r".join(
        (
            f"MSH|^~\\&|OLDBOOK|HOSP|FJ|FJ|20260302100000||SIU^{trigger}|O{trigger}|P|2.3",
            "SCH|PL1^EHR|77^BOOK|||77|CT^CT chest|||30|m|^^30^20260303084500^20260303091500",
            "PID|1||P1^^^HOSP^MR||Example^Ada",
            "RGS|1|A",
            "AIL|1|A|ROOM1|||20260302084500",
        )
    ).encode()


@pytest.mark.parametrize("trigger", ["S12", "S14", "S15"])
def test_a_sender_without_an_order_number_in_sch_is_understood_by_its_profile(tmp_path: Path, trigger: str) -> None:
    (tmp_path / "old.yaml").write_text(
        "profiles:\n  old:\n    senders: [{application: OLDBOOK}]\n    places: {appointment_placer_number: [SCH-1]}\n"
    )
    message = Profiles.load(tmp_path).read(an_old_one(trigger))
    news = read_news(message, KINDS[f"SIU^{trigger}"], Sites.load(None))
    assert news.placer_order_number == Identifier(value="PL1", issuer="EHR")
    if news.told is Told.BOOKED:
        assert news.starts_at == datetime(2026, 3, 3, 8, 45, tzinfo=UTC)
        assert message.warnings == ["AIL-6.1 is another start than SCH-11.4, which holds"]


def test_without_an_order_number_and_a_profile_nobody_guesses_which_order_is_meant() -> None:
    news = read_news(Message.parse(an_old_one("S12")), Told.BOOKED, Sites.load(None))
    assert news.names == ()
    assert news.appointment_names == ("appointment/EHR/PL1", "appointment/BOOK/77")
    assert news.patient == Identifier(value="P1", issuer="HOSP")


@pytest.mark.parametrize("without", [b"PID", b"SCH"], ids=["no patient", "no appointment number"])
def test_by_what_nobody_could_find_its_order_is_refused(without: bytes) -> None:
    lost = an_old_one("S12").replace(b"PL1^EHR|77^BOOK|||77", b"||||") if without == b"SCH" else an_old_one("S12")
    raw = b"\r".join(line for line in lost.split(b"\r") if not (without == b"PID" and line.startswith(b"PID")))
    with pytest.raises(Refusal, match="SCH-26 is missing"):
        read_news(Message.parse(raw), Told.BOOKED, Sites.load(None))
