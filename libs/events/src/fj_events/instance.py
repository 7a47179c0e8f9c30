"""Facts about received instances, and what was asked about them. Owner: `ingest`."""

from datetime import date
from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, Part
from fj_events.terms import CodedConcept, Identifier, ObjectRef, Uid
from fj_events.vocabulary import PatientPhi, Source


class StudyAttributes(Part):
    """Study-level attributes as the first instance has them (PS3.3 C.7.2.1)."""

    study_id: str | None = None
    study_date: date | None = None
    study_time: str | None = None
    """As in the data set (TM)."""
    description: str | None = None
    referring_physician: str | None = None
    """Person name as in the data set, `family^given`."""
    procedure_codes: tuple[CodedConcept, ...] | None = None
    """Procedure Code Sequence (0008,1032)."""
    requested_procedure_codes: tuple[CodedConcept, ...] | None = None
    """Requested Procedure Code Sequence (0032,1064): of all requests in (0040,0275); else of the study itself."""


class SeriesAttributes(Part):
    """Series-level attributes as the first instance has them (PS3.3 C.7.3.1)."""

    number: int | None = None
    modality: str | None = None
    description: str | None = None
    body_part: str | None = None
    laterality: str | None = None
    protocol_name: str | None = None
    station_name: str | None = None
    performed_step_uid: Uid | None = None
    """Referenced Performed Procedure Step (0008,1111)."""
    performed_step_start_date: date | None = None
    performed_step_start_time: str | None = None
    """Performed Procedure Step Start Date (0040,0244) and Time (0040,0245); the time as in the data set (TM)."""
    requested_procedure_id: str | None = None
    scheduled_step_id: str | None = None
    """From the Request Attributes Sequence (0040,0275)."""


class StoredInstance(Part):
    """One instance inside a pack."""

    sop_instance_uid: Uid
    sop_class_uid: Uid
    transfer_syntax_uid: Uid
    number: int | None = None
    rows: int | None = None
    columns: int | None = None
    frames: int | None = None
    offset: int
    """Of the Part 10 file inside the pack, bytes."""
    length: int
    """Of the Part 10 file, bytes."""
    data_offset: int
    """Of the data set inside the Part 10 file, bytes: what was received begins here."""
    sha256: str
    """Of the data set as received, hexadecimal."""


class InstancesStored(Fact, type="instance.stored.v1", topic="instance-events", key="study_instance_uid"):
    """New instances of one series lie in one pack (law 7: pixels never enter Kafka).

    An instance that was here before, with the same bytes, is in no second fact.
    """

    study_instance_uid: Uid
    series_instance_uid: Uid
    pack: ObjectRef
    source: Source
    calling_ae_title: str | None = None
    received_at: AwareDatetime
    """When the last of these instances was acknowledged."""
    accession_number: Identifier | None = None
    patient_id: UUID | None = None
    patient: PatientPhi
    study: StudyAttributes
    series: SeriesAttributes
    instances: tuple[StoredInstance, ...]


class InstancesForgotten(Fact, type="instance.forgotten.v1", topic="instance-events", key="study_instance_uid"):
    """What was shipped of a retired study is not taken for known any more: what comes of it from now on is told again.

    Every later `instance.stored` of the study is about packs of its own. Before this nothing of the study is removed.
    """

    study_instance_uid: Uid
    retirement_id: UUID
    """Of the `study.retired` that caused this."""
    received_again_at: AwareDatetime | None = None
    """When something of it was acknowledged last that was here before, with the same bytes: no fact tells of it, and
    what was shipped first is all that is kept of it."""


class SopReference(Part):
    """An instance as others refer to it (PS3.3 table 10-11)."""

    sop_class_uid: Uid
    sop_instance_uid: Uid


class CommitmentRequested(
    Fact, type="instance.commitment_requested.v1", topic="instance-events", key="transaction_uid"
):
    """A sender asks that these instances are kept for good (storage commitment, PS3.4 Annex J).

    A request with very many references stands in several facts, `part` 1 to `parts`, in order under its Transaction
    UID. What is referred to may be on its way to the index, or unknown here: the one who answers has to find out.
    """

    transaction_uid: Uid
    """Transaction UID (0008,1195). A request that was sent again is in no second fact."""
    calling_ae_title: str
    """Whom to answer: an application entity of FJ_PEERS."""
    requested_at: AwareDatetime
    part: int
    parts: int
    number_of_references: int
    """Of the whole request."""
    references: tuple[SopReference, ...]
