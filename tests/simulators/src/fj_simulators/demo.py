"""The demo: three exams played with real protocol clients, live in the terminal; then a timeline, and where to look."""

import asyncio
import logging
import os
import time
from dataclasses import dataclass, field
from typing import Final

import structlog
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fj_simulators.clinic import Answer, Clinic
from fj_simulators.doors import Doors
from fj_simulators.exam import Exam, a_patient, an_exam
from fj_simulators.procedure_steps import Performed

STEPS: Final = ("registered", "ordered", "on the worklist", "scanned", "available", "read", "delivered")
SLICES: Final = 40
SIZE: Final = 256
WITHIN: Final = 90.0
"""Seconds in which every step has to be seen."""


@dataclass(slots=True)
class Play:
    """One exam on the stage."""

    title: str
    exam: Exam
    done: list[tuple[str, float]] = field(default_factory=list)
    """Steps that were seen, and when, in seconds since the curtain."""
    note: str = ""
    made: Performed | None = None
    answer: Answer | None = None


class Stage:
    """What the audience sees."""

    def __init__(self, plays: list[Play]) -> None:
        self.plays = plays
        self._start = time.monotonic()

    def seen(self, play: Play, step: str, note: str = "") -> None:
        """A step of a play was seen."""
        play.done.append((step, time.monotonic() - self._start))
        play.note = note

    def __rich__(self) -> Group:
        table = Table(box=None, padding=(0, 1))
        table.add_column("")
        for step in STEPS:
            table.add_column(step, justify="center", overflow="fold", max_width=10)
        for play in self.plays:
            seen = dict(play.done)
            cells = [Text(f"{seen[step]:.1f} s", style="green") if step in seen else Text("·", "dim") for step in STEPS]
            table.add_row(Text(play.title, "bold"), *cells)
        notes = [Text(f"  {play.title}: {play.note}", "dim", overflow="ellipsis", no_wrap=True) for play in self.plays]
        return Group(table, *notes)


async def _ordered(clinic: Clinic, stage: Stage, play: Play) -> None:
    exam = play.exam
    await clinic.ehr.registers(exam)
    stage.seen(play, "registered", "ADT^A04 acknowledged")
    await clinic.ehr.orders(exam)
    stage.seen(play, "ordered", f"ORM^O01 acknowledged, accession {exam.accession_number}")
    entry = await clinic.on_worklist(exam, WITHIN)
    stage.seen(play, "on the worklist", f"C-FIND answered for {entry.step.ScheduledStationAETitle}")
    play.made = await asyncio.to_thread(clinic.modality.acquires, entry, SLICES, SIZE)
    await clinic.performs(play.made, exam)
    stage.seen(play, "scanned", f"MPPS and {len(play.made.images)} images acknowledged")
    await clinic.until(exam, "available", WITHIN)
    stage.seen(play, "available", "study complete by its MPPS, matched to its order")
    await clinic.dictation.reports(exam, "P")
    await clinic.dictation.reports(exam, "F")
    stage.seen(play, "read", "ORU^R01 P and F acknowledged")
    await clinic.until(exam, "delivered", WITHIN)
    play.answer = await clinic.until_fact(exam, "order.completed.v1", WITHIN)
    results = " and ".join(result.status for result in clinic.ehr.results(exam))
    stage.seen(play, "delivered", f"the EHR has ORU^R01 {results}; the order is completed")


async def _unscheduled(clinic: Clinic, stage: Stage, play: Play) -> None:
    """An emergency: images before any order. The study is there, can be read, and waits on the unmatched list."""
    made = play.made = await asyncio.to_thread(clinic.modality.acquires_unscheduled, play.exam, SLICES, SIZE)
    await clinic.modality.starts(made, None)
    await clinic.modality.sends(made)
    await clinic.modality.completes(made)
    stage.seen(play, "scanned", "MPPS and images without an order acknowledged")

    async def available() -> Answer | None:
        found = await clinic.http.get("/api/portal/exams", params={"study_instance_uid": made.study_instance_uid})
        return next((exam for exam in found.json()["exams"] if exam["state"] == "available"), None)

    play.answer = await clinic.soon(available, WITHIN, "the unscheduled study")
    stage.seen(play, "available", "no order fits: it waits on the unmatched list")


async def play_all(doors: Doors, console: Console) -> list[Play]:
    """Play the three exams at once."""
    plays = [
        Play("routine", an_exam(priority="R", patient=a_patient("Ada Lovett"))),
        Play("STAT", an_exam(priority="S", patient=a_patient("Ben Okafor"))),
        Play("unscheduled", an_exam(patient=a_patient("Unknown Emergency"))),
    ]
    stage = Stage(plays)
    async with Clinic(doors).open() as clinic:
        with Live(stage, console=console, refresh_per_second=8):
            await asyncio.gather(
                _ordered(clinic, stage, plays[0]),
                _ordered(clinic, stage, plays[1]),
                _unscheduled(clinic, stage, plays[2]),
            )
    return plays


def show(plays: list[Play], doors: Doors, console: Console) -> None:
    """The timeline of the first exam, and where to look."""
    answer = plays[0].answer
    if answer is not None:
        table = Table(box=None, padding=(0, 1), show_header=False)
        for entry in answer["timeline"]:
            table.add_row(
                entry["at"][11:23], Text(entry["type"], "cyan"), entry["summary"], Text(entry["service"], "dim")
            )
        console.print(Panel(table, title=f"every fact of exam {answer['accession_number']}, from Kafka", expand=False))
    viewer = f"http://{doors.host}:{doors.viewer}/viewer?StudyInstanceUIDs="
    made = plays[0].made
    where = (
        ("exams, timelines, reading list", f"{doors.http}/"),
        ("the CT in the viewer", viewer + made.study_instance_uid if made else ""),
        ("FHIR R4", f"{doors.http}/fhir/metadata"),
        ("one topic, readable", ".venv/bin/filmjacket tail order-events"),
        ("processes, lag, dead letters", "make status"),
        ("stop (data is kept)", "make down"),
    )
    console.print("\nIt all keeps running. Where to look:")
    for what, address in where:
        console.print(Text(f"  {what:<32}", "bold"), Text(address, "blue"), soft_wrap=True)


def main() -> None:
    """Play the demo against the installation whose ports `FJ_PORT_OFFSET` shifts."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console, doors = Console(highlight=False), Doors.offset(int(os.environ.get("FJ_PORT_OFFSET") or 0))
    console.print("Three exams, played by an EHR, a CT scanner and a dictation system over HL7 and DICOM:\n")
    show(asyncio.run(play_all(doors, console)), doors, console)


if __name__ == "__main__":
    main()
