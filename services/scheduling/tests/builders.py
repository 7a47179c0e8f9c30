"""Facts as the other services state them, data sets as a modality sends them, and the modality itself."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import Any, Final
from uuid import UUID, uuid4

from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Completeness,
    Identifier,
    LinkAct,
    MatchRule,
    OrderCancelled,
    OrderChanged,
    OrderDetails,
    OrderHeld,
    OrderPlaced,
    OrderReleased,
    PatientPhi,
    Priority,
    SeriesSummary,
    Sex,
    Source,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
    patient_key,
)
from fj_testing import PATIENT_NAMESPACE
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association

MWL: Final = UID("1.2.840.10008.5.1.4.31")
MPPS: Final = UID("1.2.840.10008.3.1.2.3.3")
CT_IMAGE: Final = "1.2.840.10008.5.1.4.1.1.2"
C_CANCEL: Final = bytes.fromhex("0000 0001 02000000 FF0F")
"""Command Field (0000,0100) of a C-CANCEL-RQ (PS3.7 E.1-1)."""
NOON: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def an_order(**given: Any) -> OrderPlaced:
    """A placed order for a chest CT at noon; `given` says what is different."""
    order_id = given.pop("order_id", None) or uuid4()
    number = f"P{order_id.hex[:8]}"
    plain: dict[str, Any] = {
        "site": "MAIN",
        "patient_id": patient_key(UUID(PATIENT_NAMESPACE), "MAIN", number),
        "accession_number": Identifier(value=f"A{order_id.hex[:8]}", issuer="MAIN"),
        "placer_order_number": Identifier(value=f"PL{order_id.hex[:8]}", issuer="EHR"),
        "study_instance_uid": f"2.25.{order_id.int}",
        "requested_procedure_id": f"RP{order_id.hex[:8]}",
        "procedure": CodedConcept(code="CTCHEST", text="CT chest", system="L"),
        "priority": Priority.ROUTINE,
        "asked_for": NOON,
        "source": Source.HL7,
        "patient": PatientPhi(
            id=Identifier(value=number, issuer="MAIN"), family_name="Example", given_name="Ada", sex=Sex.FEMALE
        ),
        "clinical": ClinicalPhi(reason="Cough"),
    }
    return OrderPlaced(order_id=order_id, **(plain | given))


def changed(order: OrderPlaced, **given: Any) -> OrderChanged:
    """The same order with other wishes."""
    fields = {name: getattr(order, name) for name in OrderDetails.model_fields} | given
    return OrderChanged(order_id=order.order_id, site=order.site, changed=tuple(given), **fields)


def cancelled(order: OrderPlaced) -> OrderCancelled:
    return OrderCancelled(
        order_id=order.order_id,
        site=order.site,
        patient_id=order.patient_id,
        accession_number=order.accession_number,
        study_instance_uid=order.study_instance_uid,
    )


def paused(order: OrderPlaced, kind: type[OrderHeld] | type[OrderReleased]) -> OrderHeld | OrderReleased:
    return kind(
        order_id=order.order_id,
        site=order.site,
        patient_id=order.patient_id,
        accession_number=order.accession_number,
        placer_order_number=order.placer_order_number,
    )


def received(study_uid: str) -> StudyReceived:
    return StudyReceived(
        site="MAIN",
        study_instance_uid=study_uid,
        modalities=("CT",),
        patient=PatientPhi(),
        station_ae_title="CT1",
        received_at=NOON,
    )


def matched(order: OrderPlaced, study_uid: str | None = None) -> StudyMatched:
    return StudyMatched(
        site=order.site,
        study_instance_uid=study_uid or order.study_instance_uid,
        order_id=order.order_id,
        patient_id=order.patient_id,
        accession_number=order.accession_number,
        matched_by=MatchRule.ACCESSION if study_uid else MatchRule.STUDY_UID,
        reason="the accession number is the same",
        ordered_study_instance_uid=order.study_instance_uid,
    )


def relinked(study_uid: str, before: OrderPlaced | None, after: OrderPlaced | None) -> StudyRelinked:
    """A person moves a study from one order to another one."""
    return StudyRelinked(
        site="MAIN",
        actor="tess",
        study_instance_uid=study_uid,
        previous_order_id=before.order_id if before else None,
        order_id=after.order_id if after else None,
        act=LinkAct.LINK if after else LinkAct.UNLINK,
        reason="the wrong line was picked",
    )


def available(study_uid: str, instances: int = 3) -> StudyAvailable:
    series = SeriesSummary(series_instance_uid=f"{study_uid[:60]}.1", modality="CT", number_of_instances=instances)
    return StudyAvailable(
        site="MAIN",
        study_instance_uid=study_uid,
        modalities=("CT",),
        patient=PatientPhi(),
        series=(series,),
        number_of_series=1,
        number_of_instances=instances,
        completeness=Completeness.QUIET_TIME,
        reason="quiet for 60 s",
        last_evidence_at=NOON,
    )


def put(dataset: Dataset, keyword: str, value: Any) -> None:
    """Set an attribute to whatever a device might send."""
    element = DataElement(keyword, dictionary_VR(keyword), value, validation_mode=IGNORE)
    dataset[element.tag] = element


def a_query(**step_keys: str) -> Dataset:
    """A worklist query with the usual return keys; the keywords are matching keys of the step."""
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
        "RequestedProcedureDescription",
        "RequestedProcedurePriority",
    ):
        setattr(query, keyword, "")
    usual = (
        "ScheduledStationAETitle",
        "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime",
        "Modality",
        "ScheduledProcedureStepDescription",
        "ScheduledProcedureStepID",
        "ScheduledProcedureStepStatus",
    )
    step = Dataset()
    for keyword, value in (dict.fromkeys(usual, "") | step_keys).items():
        put(step, keyword, value)
    query.ScheduledProcedureStepSequence = [step]
    return query


def in_progress(order: OrderPlaced | None = None, **given: Any) -> Dataset:
    """An N-CREATE for an order as the worklist named it, or for no order; `given` are attributes that differ."""
    reference = Dataset()
    reference.StudyInstanceUID = given.pop("StudyInstanceUID", None) or (
        order.study_instance_uid if order else generate_uid()
    )
    reference.ReferencedStudySequence = []
    reference.AccessionNumber = order.accession_number.value if order else ""
    reference.RequestedProcedureID = order.requested_procedure_id if order else ""
    reference.RequestedProcedureDescription = ""
    reference.ScheduledProcedureStepID = given.pop("ScheduledProcedureStepID", "")
    reference.ScheduledProcedureStepDescription = ""
    reference.ScheduledProtocolCodeSequence = []
    content = Dataset()
    content.ScheduledStepAttributesSequence = [reference]
    content.PatientName = "Example^Ada"
    content.PatientID = order.patient.id.value if order and order.patient.id else "UNKNOWN1"
    content.PatientBirthDate = "19700401"
    content.PatientSex = "F"
    content.PerformedProcedureStepID = "PPS1"
    content.PerformedStationAETitle = "CT1"
    content.PerformedStationName = ""
    content.PerformedProcedureStepStartDate = "20260302"
    content.PerformedProcedureStepStartTime = "121500"
    content.PerformedProcedureStepStatus = "IN PROGRESS"
    content.PerformedProcedureStepEndDate = ""
    content.PerformedProcedureStepEndTime = ""
    content.Modality = "CT"
    content.StudyID = ""
    content.PerformedSeriesSequence = []
    for keyword, value in given.items():
        put(content, keyword, value)
    return content


def a_series(instances: Sequence[str], uid: str | None = None) -> Dataset:
    series = Dataset()
    series.ProtocolName = "Chest"
    series.SeriesInstanceUID = uid or generate_uid()
    series.SeriesDescription = "Axial"
    series.ReferencedImageSequence = []
    for instance in instances:
        image = Dataset()
        image.ReferencedSOPClassUID = CT_IMAGE
        image.ReferencedSOPInstanceUID = instance
        series.ReferencedImageSequence.append(image)
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    return series


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def ended(status: str = "COMPLETED", *series: Dataset) -> Dataset:
    """A final N-SET."""
    content = Dataset()
    content.PerformedProcedureStepStatus = status
    content.PerformedProcedureStepEndDate = "20260302"
    content.PerformedProcedureStepEndTime = "123000"
    if series:
        content.PerformedSeriesSequence = list(series)
    return content


class Modality:
    """A pynetdicom SCU of the worklist and of MPPS. Each call is an association of its own."""

    def __init__(self, port: int, ae_title: str = "CT1") -> None:
        self._port = port
        self._ae_title = ae_title

    async def asks(self, query: Dataset, *, implicit: bool = False) -> tuple[list[Dataset], list[int]]:
        """The identifiers, and all statuses including the last one."""
        return await asyncio.to_thread(
            self._find, query, ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )

    async def sees(self, order: OrderPlaced) -> list[Dataset]:
        """What the worklist has about an order."""
        query = a_query()
        query.AccessionNumber = order.accession_number.value
        return (await self.asks(query))[0]

    async def gives_up(self, query: Dataset, sent: Event) -> tuple[list[Dataset], list[int]]:
        """A query that is cancelled before its first answer is read; `sent` is set when the cancel is on its way."""
        return await asyncio.to_thread(self._cancel, query, sent)

    async def begins(self, content: Dataset, uid: str | None = None) -> tuple[str, Dataset]:
        """N-CREATE: the UID, and the status with its comment."""
        uid = uid or generate_uid()
        return uid, await asyncio.to_thread(self._create, content, uid)

    async def says(self, uid: str, content: Dataset) -> Dataset:
        """N-SET: the status with its comment."""
        return await asyncio.to_thread(self._set, uid, content)

    def _find(self, query: Dataset, syntax: UID) -> tuple[list[Dataset], list[int]]:
        with self._associated(MWL, syntax) as association:
            answers = list(association.send_c_find(query, MWL))
        return [item for _, item in answers if item is not None], [status.Status for status, _ in answers]

    def _cancel(self, query: Dataset, sent: Event) -> tuple[list[Dataset], list[int]]:
        def is_out(event: evt.Event) -> None:
            if C_CANCEL in bytes(event.pdu.encode()):
                sent.set()

        with self._associated(MWL, ExplicitVRLittleEndian) as association:
            association.bind(evt.EVT_PDU_SENT, is_out)
            coming = association.send_c_find(query, MWL, msg_id=7)
            association.send_c_cancel(7, query_model=MWL)
            answers = list(coming)
        return [item for _, item in answers if item is not None], [status.Status for status, _ in answers]

    def _create(self, content: Dataset, uid: str) -> Dataset:
        with self._associated(MPPS, ExplicitVRLittleEndian) as association:
            status, _ = association.send_n_create(content, MPPS, uid)
        return status

    def _set(self, uid: str, content: Dataset) -> Dataset:
        with self._associated(MPPS, ExplicitVRLittleEndian) as association:
            status, _ = association.send_n_set(content, MPPS, uid)
        return status

    @contextmanager
    def _associated(self, abstract: UID, syntax: UID) -> Iterator[Association]:
        ae = AE(ae_title=self._ae_title)
        ae.add_requested_context(abstract, syntax)
        association = ae.associate("127.0.0.1", self._port, ae_title="FJ_MWL")
        assert association.is_established
        try:
            yield association
        finally:
            association.release()
