"""How a scenario is played: every message once or twice, and a pause in which everything may be restarted."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import pytest
from fj_hl7 import CX, HD, CannotConnect, MllpClient, NoAnswer, Refused
from fj_hl7.builders import Header, order_message, patient_message
from fj_simulators import Clinic, Exam, Performed, WorklistEntry, an_exam
from fj_simulators.exam import a_header, a_visit
from fj_testing import eventually

T = TypeVar("T")
WITHIN: Final = 120
"""Seconds for anything to become true: all scenarios are played at once."""


@dataclass
class Play:
    """One scenario at the doors."""

    clinic: Clinic
    appointments: MllpClient
    twice: bool
    """Every message goes out a second time, with the same bytes, when the first is answered."""
    interval: Callable[[], Awaitable[None]]
    exams: list[Exam] = field(default_factory=list)
    """Whose truth is looked at in the end."""

    def has(self, *exams: Exam) -> None:
        """These exams are in it."""
        self.exams += exams

    async def middle(self) -> None:
        """Here the services may be restarted."""
        await self.interval()

    async def registers(self, exam: Exam, trigger: str = "A04") -> None:
        """ADT: who the patient is."""
        await self.tells_patients(self.patient(exam, trigger))

    def patient(self, exam: Exam, trigger: str, *, minutes_ago: int = 0) -> bytes:
        """The bytes of an ADT that is written now, or was written a while ago."""
        return patient_message(_header(minutes_ago), trigger, exam.patient, a_visit())

    async def changes_number(
        self, prior: Exam, survivor: Exam, trigger: str = "A40", at: datetime | None = None
    ) -> None:
        """ADT with MRG: the number of the one exam's patient belongs to the other's patient, by A40 or its kin."""
        gone = f"MRG|{prior.patient_id}^^^{prior.issuer}^MR"
        await self.tells_patients(self.about_numbers(survivor, trigger, gone, at=at))

    def about_numbers(self, exam: Exam, trigger: str, segment: str, *, at: datetime | None = None) -> bytes:
        """The bytes of an ADT with this segment (MRG, or a second PID) behind the PID of the exam's patient."""
        told = patient_message(a_header(), trigger, exam.patient, a_visit()).split(b"\r")
        if at is not None:
            told[0] = told[0].replace(told[0].split(b"|")[6], f"{at:%Y%m%d%H%M%S.%f%z}".encode(), 1)
            told[1] = b"EVN||" + f"{at:%Y%m%d%H%M%S.%f%z}".encode()
        return b"\r".join([*told[:3], segment.encode(), *told[3:]])

    async def tells_patients(self, raw: bytes) -> None:
        """Any message to the door for patients."""
        await self._delivers(lambda: self.clinic.ehr.sends_patient(raw))

    async def orders(self, exam: Exam, control: str = "NW") -> None:
        """ORM^O01 about the exam."""
        await self.tells_orders(self.order(exam, control))

    def order(self, exam: Exam, control: str = "NW", *, minutes_ago: int = 0, visit: str = "") -> bytes:
        """The bytes of an ORM^O01 that is written now, or was written a while ago."""
        on = replace(a_visit(), visit_number=CX(visit, HD(exam.issuer), "VN")) if visit else a_visit()
        return order_message(_header(minutes_ago), control, exam.patient, on, exam.order)

    async def tells_orders(self, raw: bytes) -> None:
        """Any message to the door for orders."""
        await self._delivers(lambda: self.clinic.ehr.sends_order(raw))

    async def is_refused(self, raw: bytes) -> None:
        """The door for orders refuses the message; the same again the same way."""
        for _ in range(2 if self.twice else 1):
            with pytest.raises(Refused):
                await _trying(lambda: self.clinic.ehr.sends_order(raw))

    async def asks(self, exam: Exam, control: str) -> bool:
        """ORM^O01 that may come too late: whether the door for orders took it, again the same way."""
        raw, taken = self.order(exam, control), set()
        for _ in range(2 if self.twice else 1):
            try:
                await _trying(lambda: self.clinic.ehr.sends_order(raw))
                taken.add(True)
            except Refused:
                taken.add(False)
        (answer,) = taken
        return answer

    async def appoints(self, exam: Exam, trigger: str, at: datetime | None = None) -> None:
        """SIU (IHE RAD-48) about the exam."""
        await self.tells_appointments(self.appointment(exam, trigger, at))

    def appointment(self, exam: Exam, trigger: str, at: datetime | None = None, *, minutes_ago: int = 0) -> bytes:
        """The bytes of an SIU that is written now, or was written a while ago."""
        header = _header(minutes_ago)
        start = f"{at:%Y%m%d%H%M%S%z}" if at else ""
        lines = (
            f"MSH|^~\\&|BOOK|HOSP|FJ|FJ|{header.at:%Y%m%d%H%M%S%z}||SIU^{trigger}^SIU_S12|{header.control_id}|P|2.5.1",
            f"SCH|{exam.accession_number}|{'|' * 9}^^^{start}{'|' * 15}{exam.placer_order_number}^EHR|",
            "RGS|1",
            "AIG|1||CT1",
        )
        return "".join(f"{line}\r" for line in lines).encode()

    async def tells_appointments(self, raw: bytes) -> None:
        """Any message to the door for appointments."""
        await self._delivers(lambda: self.appointments.send(raw))

    async def on_worklist(self, exam: Exam) -> WorklistEntry:
        """Its entry, as soon as it is there."""
        return await self.clinic.on_worklist(exam, WITHIN)

    async def off_worklist(self, exam: Exam) -> None:
        """It is there no longer."""

        async def gone() -> bool:
            return await self.clinic.modality.worklist(accession=exam.accession_number) == []

        await self.becomes(gone, f"{exam.accession_number} off the worklist")

    async def starts(self, made: Performed, *entries: WorklistEntry) -> None:
        """MPPS N-CREATE."""
        await self.clinic.modality.starts(made, *entries)
        if self.twice:
            await self.clinic.modality.starts(made, *entries, again=True)

    async def sends(self, made: Performed) -> None:
        """C-STORE of every image."""
        await self._delivers(lambda: self.clinic.modality.sends(made))

    async def completes(self, made: Performed) -> None:
        """MPPS N-SET, COMPLETED."""
        await self.clinic.modality.completes(made)
        if self.twice:
            await self.clinic.modality.completes(made, again=True)

    async def gives_up(self, made: Performed, reason: str) -> None:
        """MPPS N-SET, DISCONTINUED."""
        await self.clinic.modality.gives_up(made, reason)
        if self.twice:
            await self.clinic.modality.gives_up(made, reason, again=True)

    async def ordered(self, priority: str = "R") -> Exam:
        """A new exam of a new patient, ordered."""
        exam = an_exam(priority=priority)
        self.has(exam)
        await self.orders(exam)
        return exam

    async def begins(self, exam: Exam) -> Performed:
        """Worklist and MPPS; the images are made, and not sent."""
        entry = await self.on_worklist(exam)
        made = self.clinic.modality.acquires(entry)
        await self.starts(made, entry)
        return made

    async def ends(self, made: Performed) -> None:
        """Images and MPPS."""
        await self.sends(made)
        await self.completes(made)

    async def performs(self, exam: Exam, *, pause: bool = False) -> Performed:
        """Worklist, MPPS, images, MPPS; with the middle of the scenario in its middle."""
        made = await self.begins(exam)
        if pause:
            await self.middle()
        await self.ends(made)
        return made

    async def reports(self, exam: Exam, status: str, text: str = "Nothing.") -> None:
        """ORU^R01."""
        raw = self.clinic.dictation.message(exam, status, text)
        await self._delivers(lambda: self.clinic.dictation.sends(raw))

    async def posts(self, path: str, **body: str) -> None:
        """A person does something, on a page; a click is not repeated."""
        answer = await self.clinic.http.post(path, json=body)
        assert answer.is_success, (path, answer.status_code, answer.text)

    async def links(self, made: Performed, exam: Exam) -> None:
        """A person says that the images are those of this exam, as soon as the archive knows both."""
        link = f"/api/storage/studies/{made.study_instance_uid}/link"
        wish = {"order_id": (await self.known(exam))["order_id"], "reason": "seen at the console"}

        async def linked() -> bool:
            answer = await self.clinic.http.post(link, json=wish)
            assert answer.is_success or answer.status_code == 404, answer.text
            return answer.is_success

        await self.becomes(linked, f"the images are those of {exam.accession_number}")

    async def until(self, exam: Exam, state: str) -> dict[str, object]:
        """The exam answer, once it shows this state."""
        return await self.clinic.until(exam, state, WITHIN)

    async def known(self, exam: Exam) -> dict[str, Any]:
        """The order of the exam, as `order` has it."""
        number = {"placer_order_number": exam.placer_order_number}
        (order,) = (await self.clinic.http.get("/api/order/orders", params=number)).json()
        return dict(order)

    async def until_known(self, exam: Exam, state: str) -> None:
        """`order` itself has its order in this state, whatever the portal shows."""

        async def there() -> bool:
            return bool((await self.known(exam))["state"] == state)

        await self.becomes(there, f"the order {exam.placer_order_number} {state}")

    async def becomes(self, check: Callable[[], Awaitable[bool]], what: str) -> None:
        """It is so, soon."""
        await eventually(check, within=WITHIN / 4, every=0.3, what=what)

    async def has_images(self, exam: Exam, count: int) -> None:
        """So many instances are shown with the exam."""

        async def shown() -> bool:
            answer = await self.clinic.where_is(exam)
            return answer is not None and answer["instances"] == count

        await self.becomes(shown, f"{count} images of {exam.accession_number}")

    async def until_listed(self, exam: Exam, patient: Exam) -> None:
        """The exam is that of the other exam's patient, on the worklist: what is made from now on has that number."""

        async def theirs() -> bool:
            return bool((await self.on_worklist(exam)).dataset.PatientID == patient.patient_id)

        await self.becomes(theirs, f"{exam.accession_number} of {patient.patient_id} on the worklist")

    async def until_shown(self, exam: Exam, patient: Exam) -> None:
        """The exam is that of the other exam's patient, at the portal."""

        async def theirs() -> bool:
            answer = await self.clinic.where_is(exam)
            return answer is not None and answer["patient"]["id"] == patient.patient_id

        await self.becomes(theirs, f"{exam.accession_number} of {patient.patient_id}")

    async def tells(self, exam: Exam, **counts: int) -> None:
        """So often the timeline has these facts in the end: `order_placed=1`, and is still then."""
        wanted = {f"{name.replace('_', '.', 1)}.v1": count for name, count in counts.items()}

        async def told() -> bool:
            answer = await self.clinic.where_is(exam)
            found = Counter(entry["type"] for entry in answer["timeline"]) if answer else Counter()
            assert {kind: found[kind] for kind in wanted} == wanted
            return True

        await self.becomes(told, f"the facts of {exam.accession_number}")

    async def _delivers(self, send: Callable[[], Awaitable[object]]) -> None:
        for _ in range(2 if self.twice else 1):
            await _trying(send)


def _header(minutes_ago: int) -> Header:
    header = a_header()
    return replace(header, at=header.at - timedelta(minutes=minutes_ago))


async def _trying(act: Callable[[], Awaitable[T]]) -> T:
    """What senders do whose connection has ended: the same bytes again, for a while."""
    for _ in range(20):
        try:
            return await act()
        except (CannotConnect, NoAnswer):
            await asyncio.sleep(0.5)
    return await act()


def tomorrow(hour: int) -> datetime:
    """An hour of tomorrow, here."""
    day = datetime.now().astimezone() + timedelta(days=1)
    return day.replace(hour=hour, minute=0, second=0, microsecond=0)
