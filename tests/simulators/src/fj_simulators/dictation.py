"""A dictation system: it sends reports, first preliminary, then signed."""

from datetime import UTC, datetime
from typing import Final

from fj_hl7 import XCN, Ack, MllpClient, Sender
from fj_hl7.builders import Header, Report, report_message

from fj_simulators.doors import Doors
from fj_simulators.exam import FILMJACKET, Exam, a_visit

DICTATION: Final = Sender("DICTATION", "GENERAL")
NORMAL: Final = "The lungs are clear. No effusion. The heart is of normal size.\nNo enlarged lymph nodes."


class Dictation:
    """Sends ORU^R01 to the door for results."""

    def __init__(self, doors: Doors) -> None:
        self._client = MllpClient(doors.host, doors.results)

    async def reports(self, exam: Exam, status: str, text: str = NORMAL) -> Ack:
        """A report: P, F or C. Returns the acknowledgement; raises on a refusal."""
        return await self.sends(self.message(exam, status, text))

    def message(self, exam: Exam, status: str, text: str = NORMAL) -> bytes:
        """The bytes of one ORU^R01, to be sent once or twice."""
        now = datetime.now(UTC)
        report = Report(
            status=status,
            text=text,
            impression="Normal chest.",
            at=now,
            interpreter=XCN("R1", "Reader", "Rolf"),
        )
        header = Header(sending=DICTATION, receiving=FILMJACKET, at=now)
        return report_message(header, exam.patient, a_visit(), exam.order, report)

    async def sends(self, raw: bytes) -> Ack:
        """Any message to the door for results."""
        return await self._client.send(raw)

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()
