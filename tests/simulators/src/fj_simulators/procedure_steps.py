"""What a modality asks for and says, as data sets: the worklist query and the MPPS (PS3.4 Annexes K and F)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """What the scanner takes from one worklist item."""

    dataset: Dataset

    @property
    def step(self) -> Dataset:
        step: Dataset = self.dataset.ScheduledProcedureStepSequence[0]
        return step


@dataclass(frozen=True, slots=True)
class Performed:
    """A study as the scanner made it."""

    study_instance_uid: str
    mpps_instance_uid: str
    images: tuple[Dataset, ...]


def reference(sop_class: str, sop_instance: str) -> Dataset:
    """An item that refers to an instance."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
    return item


def worklist_query() -> Dataset:
    """The keys that a scanner asks for (PS3.4 Table K.6-1)."""
    step = Dataset()
    for keyword in (
        "ScheduledStationAETitle",
        "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime",
        "Modality",
        "ScheduledProcedureStepDescription",
        "ScheduledProcedureStepID",
        "ScheduledStationName",
    ):
        step.__setattr__(keyword, "")
    query = Dataset()
    for keyword in (
        "AccessionNumber",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "RequestedProcedureID",
        "AdmissionID",
        "VisitStatusID",
        "CurrentPatientLocation",
        "RequestedProcedureDescription",
        "RequestedProcedurePriority",
        "ReferringPhysicianName",
    ):
        query.__setattr__(keyword, "")
    query.SpecificCharacterSet = "ISO_IR 192"
    query.ScheduledProcedureStepSequence = [step]
    return query


def in_progress(made: Performed, entries: Iterable[WorklistEntry | None], station: str) -> Dataset:
    """N-CREATE (PS3.4 Table F.7.2-1)."""
    now, image = datetime.now(UTC), made.images[0]
    step = Dataset()
    step.SpecificCharacterSet = "ISO_IR 192"
    step.ScheduledStepAttributesSequence = [_scheduled(made, entry) for entry in entries]
    for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"):
        step.__setattr__(keyword, image.get(keyword, ""))
    step.ReferencedPatientSequence = []
    step.PerformedProcedureStepID = "PPS1"
    step.PerformedStationAETitle = station
    step.PerformedStationName = step.PerformedLocation = ""
    step.PerformedProcedureStepStartDate, step.PerformedProcedureStepStartTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PerformedProcedureStepDescription = image.StudyDescription
    step.PerformedProcedureTypeDescription = ""
    step.ProcedureCodeSequence = []
    step.PerformedProcedureStepEndDate = step.PerformedProcedureStepEndTime = ""
    step.Modality, step.StudyID = "CT", "1"
    step.PerformedProtocolCodeSequence = []
    step.PerformedSeriesSequence = []
    return step


def _scheduled(made: Performed, entry: WorklistEntry | None) -> Dataset:
    """What was performed is for this step, or for none that was scheduled."""
    item = entry.dataset if entry else Dataset()
    step = entry.step if entry else Dataset()
    scheduled = Dataset()
    scheduled.StudyInstanceUID = made.study_instance_uid
    scheduled.ReferencedStudySequence = []
    scheduled.AccessionNumber = item.AccessionNumber if entry else made.images[0].AccessionNumber
    scheduled.RequestedProcedureID = item.get("RequestedProcedureID", "")
    scheduled.RequestedProcedureDescription = item.get("RequestedProcedureDescription", "")
    scheduled.ScheduledProcedureStepID = step.get("ScheduledProcedureStepID", "")
    scheduled.ScheduledProcedureStepDescription = step.get("ScheduledProcedureStepDescription", "")
    scheduled.ScheduledProtocolCodeSequence = []
    return scheduled


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 section 8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def final(made: Performed, status: str, station: str) -> Dataset:
    """N-SET with the performed series (PS3.4 Table F.7.2-1)."""
    now = datetime.now(UTC)
    series = Dataset()
    series.PerformingPhysicianName = series.OperatorsName = ""
    series.ProtocolName = "Chest"
    series.SeriesInstanceUID = made.images[0].SeriesInstanceUID
    series.SeriesDescription = made.images[0].SeriesDescription
    series.RetrieveAETitle = station
    series.ReferencedImageSequence = [reference(image.SOPClassUID, image.SOPInstanceUID) for image in made.images]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    step = Dataset()
    step.PerformedProcedureStepStatus = status
    step.PerformedProcedureStepEndDate, step.PerformedProcedureStepEndTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    step.PerformedSeriesSequence = [series]
    return step
