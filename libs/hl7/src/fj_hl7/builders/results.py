"""Results (HL7 v2.5.1 ch. 7.3 ORU^R01, ch. 9.5 MDM^T02)."""

from collections.abc import Iterable
from typing import Final

from fj_hl7.builders.content import Document, Header, Order, Patient, Report, Status, Visit
from fj_hl7.builders.writer import message, ndl, obr, one, orc, pid, pv1, segment, time
from fj_hl7.datatypes import CWE
from fj_hl7.delimiters import escape
from fj_hl7.dtm import write_dtm

STUDY: Final = CWE("113014", "DICOM Study", "DCM")
REPORT: Final = CWE("18748-4", "Diagnostic imaging study", "LN")
IMPRESSION: Final = CWE("19005-8", "Radiology Imaging study [Interpretation]", "LN")

_Observation = tuple[str, CWE, str, str]  # OBX-2, 3, 4 and the text of 5


def report_message(header: Header, patient: Patient, visit: Visit, order: Order, report: Report) -> bytes:
    """ORU^R01: the Study Instance UIDs, then the text and the impression, one OBX a line, each numbered in OBX-4."""
    studies = enumerate(report.study_instance_uids, start=1)
    observations: list[_Observation] = [("ST", STUDY, str(number), uid) for number, uid in studies]
    observations += _lines(REPORT, report.text) + _lines(IMPRESSION, report.impression)
    extra = {
        7: time(report.observed),
        22: time(report.at),
        25: report.status,
        32: ndl(report.interpreter),
    }
    found = _obx(observations, report.observation_status or report.status)
    lines = [pid(patient), pv1(visit), orc(order, Status(control="RE")), obr(order, extra=extra), *found]
    return message(header, ("ORU", "R01", "ORU_R01"), lines)


def document_message(header: Header, patient: Patient, visit: Visit, order: Order, document: Document) -> bytes:
    """MDM^T02: the document with its text, one OBX a line."""
    txa = segment(
        "TXA",
        {
            1: "1",
            2: escape(document.type),
            3: "TX",
            4: time(document.at),
            5: one(document.author),
            12: document.number.write(),
            13: one(document.parent),
            14: one(order.placer),
            15: one(order.filler),
            17: document.completion,
            19: "AV",
        },
    )
    evn = segment("EVN", {2: write_dtm(header.at)})
    status = "F" if document.completion in {"AU", "LA"} else "P"
    lines = [evn, pid(patient), pv1(visit), orc(order, Status(control="RE")), obr(order), txa]
    return message(header, ("MDM", "T02", "MDM_T02"), [*lines, *_obx(_lines(REPORT, document.text), status)])


def _lines(code: CWE, text: str) -> list[_Observation]:
    return [("TX", code, str(number), line) for number, line in enumerate(text.splitlines(), start=1)]


def _obx(observations: Iterable[_Observation], status: str) -> list[str]:
    return [
        segment(
            "OBX",
            {1: str(number), 2: value_type, 3: code.write(), 4: sub_id, 5: escape(text), 11: status},
        )
        for number, (value_type, code, sub_id, text) in enumerate(observations, start=1)
    ]
