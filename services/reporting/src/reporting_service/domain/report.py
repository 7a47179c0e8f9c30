"""A report and its versions: which reading becomes the newest version, as one table.

A preliminary never overwrites a final, whatever comes first; a second final with other words is a correction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fj_events import Identifier, ReportPhi, Source, Staff, Uid, WithdrawnReport
from pydantic import AwareDatetime, BaseModel, ConfigDict


class Status(StrEnum):
    """Result status (HL7 table 0123; FHIR diagnostic-report-status)."""

    PRELIMINARY = "P"
    FINAL = "F"
    CORRECTED = "C"


_LEAST_FINAL_FIRST: Final = (Status.PRELIMINARY, Status.CORRECTED, Status.FINAL)


def least_final(statuses: Iterable[Status]) -> Status | None:
    """That of a whole whose parts have these; None where nothing is said of any."""
    return min(statuses, key=_LEAST_FINAL_FIRST.index, default=None)


class Reading(BaseModel):
    """What somebody read, in canonical terms: a dictation system's message, or what was typed on a page."""

    model_config = ConfigDict(frozen=True)

    site: str
    status: Status
    content: ReportPhi
    at: AwareDatetime
    """When it got this status (OBR-22, else MSH-7)."""
    source: Source
    author: Staff | None = None
    actor: str | None = None
    reason: str | None = None
    """Why a signed report was corrected."""
    accession_numbers: tuple[Identifier, ...] = ()
    placer_order_number: Identifier | None = None
    study_instance_uids: tuple[Uid, ...] = ()
    document_number: Identifier | None = None
    """TXA-12, of a document."""
    addendum_to: Identifier | None = None
    """TXA-13: the document that it is added to, which stays as it is."""
    moved_from: WithdrawnReport | None = None
    """The report that it was of another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a report is about: an order, or a study that no order fits."""

    site: str
    order_id: UUID | None = None
    patient_id: UUID | None = None
    accession_number: Identifier | None = None
    placer_order_number: Identifier | None = None
    study_instance_uids: tuple[Uid, ...] = ()
    study_accession_numbers: tuple[Identifier, ...] = ()
    """What the images of an order call themselves, where that is not the order's own number."""
    settled: bool = True
    """False of a study whose order is still on its way, or may be as it is not complete; and of one that a person took
    off its order."""

    unconfirmed: bool = False
    """Of a study that shows somebody else than the order of its number is for: a person has to say whose it is."""

    @property
    def exam_key(self) -> str:
        """The order id where the order is known, else the Study Instance UID."""
        return str(self.order_id) if self.order_id else self.study_instance_uids[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The newest version of the report about one exam."""

    report_id: UUID
    exam_key: str
    """Fixed by the first version."""
    version: int
    status: Status
    content: ReportPhi
    at: datetime
    author: Staff | None
    signed_at: datetime | None
    source: Source
    untold: bool = False
    """Its study found its order after this version was given out, so that it named no order."""


_TABLE: Final = {
    (None, Status.PRELIMINARY): Status.PRELIMINARY,
    (None, Status.FINAL): Status.FINAL,
    (None, Status.CORRECTED): Status.CORRECTED,
    (Status.PRELIMINARY, Status.PRELIMINARY): Status.PRELIMINARY,
    (Status.PRELIMINARY, Status.FINAL): Status.FINAL,
    (Status.PRELIMINARY, Status.CORRECTED): Status.CORRECTED,
    (Status.FINAL, Status.FINAL): Status.CORRECTED,
    (Status.FINAL, Status.CORRECTED): Status.CORRECTED,
    (Status.CORRECTED, Status.FINAL): Status.CORRECTED,
    (Status.CORRECTED, Status.CORRECTED): Status.CORRECTED,
}
"""(status of the report, status of the reading) -> status of the next version; the rest is kept as history only."""

NEXT: Final[Mapping[tuple[Status | None, Status], Status]] = MappingProxyType(_TABLE)


def next_version(
    report: Report | None, reading: Reading, subject: Subject, new_id: UUID, after: int = 0
) -> Report | None:
    """The version that this reading makes; None when it changes nothing. A first one follows `after`.

    It changes nothing when the table has no move, when it says the same again, and when it is older than what is
    there with the same or a higher standing.
    """
    status = NEXT.get((report.status if report else None, reading.status))
    if status is None or (report is not None and _says_nothing_new(report, reading)):
        return None
    signed = reading.status is not Status.PRELIMINARY
    first = Report(
        report_id=new_id,
        exam_key=subject.exam_key,
        version=after + 1,
        status=status,
        content=reading.content,
        at=reading.at,
        author=reading.author,
        signed_at=reading.at if signed else None,
        source=reading.source,
    )
    if report is None:
        return first
    return replace(first, report_id=report.report_id, exam_key=report.exam_key, version=report.version + 1)


def added(report: Report, addendum: Reading) -> Reading:
    """An addendum as a reading of the whole: the report's words, and its own behind them, unless they stand there.

    It makes a signed report a corrected one, and signs none that is not.
    """
    signed = Status.PRELIMINARY not in {report.status, addendum.status}
    return addendum.model_copy(
        update={
            "status": Status.CORRECTED if signed else Status.PRELIMINARY,
            "content": ReportPhi(
                text=_with(report.content.text, addendum.content.text),
                impression=_with(report.content.impression, addendum.content.impression),
            ),
            "at": max(report.at, addendum.at),
            "author": addendum.author or report.author,
            "reason": "addendum",
        }
    )


def _with(text: str | None, more: str | None) -> str | None:
    addendum = f"Addendum:\n{more}"
    if not more or f"\n\n{addendum}\n\n" in f"\n\n{text}\n\n":
        return text
    return f"{text}\n\n{addendum}" if text else addendum


def is_said(report: Report, reading: Reading) -> bool:
    """The same person gives out the same once more, or what was a draft: the answer was lost on its way."""
    same = report.status is reading.status and report.author == reading.author
    return same and reading.content in (report.content, ReportPhi())


def in_the_orders_name(report: Report) -> Report:
    """The same words as a further version: who waits for the order's report could not know it by its order before."""
    return replace(report, version=report.version + 1, untold=False)


def withdrawn(report: Report) -> Report:
    """The last version for an exam whose images are another one's: nothing is said any more."""
    return replace(report, version=report.version + 1, content=ReportPhi())


def reading_of(report: Report, subject: Subject, uid: Uid, actor: str | None, reason: str) -> Reading:
    """What was read, as a reading of these images alone: by the numbers of the wrong order nobody shall find it."""
    signed = report.status is not Status.PRELIMINARY
    return Reading(
        site=subject.site,
        status=Status.FINAL if signed else Status.PRELIMINARY,
        content=report.content,
        at=report.at,
        source=report.source,
        author=report.author,
        actor=actor,
        reason=reason,
        study_instance_uids=(uid,),
        moved_from=WithdrawnReport(report_id=report.report_id, version=withdrawn(report).version),
    )


def about(reading: Reading, uid: Uid) -> Reading:
    """The reading as one of these images: the number that it names is on them and may not be theirs."""
    return reading.model_copy(
        update={"accession_numbers": (), "placer_order_number": None, "study_instance_uids": (uid,)}
    )


def _says_nothing_new(report: Report, reading: Reading) -> bool:
    rises = report.status is Status.PRELIMINARY and reading.status is not Status.PRELIMINARY
    return not rises and (reading.content == report.content or reading.at < report.at)
