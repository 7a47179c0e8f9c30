"""Facts about a study: assembled, matched, complete. Owner: `storage`."""

from datetime import date
from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, OpenEnum, Part
from fj_events.terms import CodedConcept, Identifier, ObjectRef, Uid
from fj_events.vocabulary import PatientPhi, Source


class SeriesSummary(Part):
    """A series of a study, counted."""

    series_instance_uid: Uid
    modality: str | None = None
    number: int | None = None
    description: str | None = None
    body_part: str | None = None
    number_of_instances: int


class MatchRule(OpenEnum):
    """By what a study was matched to its order, the strongest first (law 9)."""

    STUDY_UID = "study_uid"
    ACCESSION = "accession"
    STEP = "step"
    """The requested procedure id or the scheduled step id, and the patient."""
    PATIENT = "patient"
    PERSON = "person"
    """Somebody said so; no rule decides against that."""


class Completeness(OpenEnum):
    """By what evidence a study is complete."""

    MPPS = "mpps"
    """The MPPS is completed and all that it lists is here."""
    QUIET_TIME = "quiet_time"
    """No MPPS, and no new instance for the quiet time."""
    INCOMPLETE = "incomplete"
    """The MPPS lists what did not come within the quiet time."""


class _Study(Fact):
    study_instance_uid: Uid
    order_id: UUID | None = None
    patient_id: UUID | None = None
    accession_number: Identifier | None = None
    modalities: tuple[str, ...] = ()
    study_date: date | None = None
    description: str | None = None
    patient: PatientPhi
    """As the images name the patient; the order's patient counts once it is matched."""


class StudyReceived(_Study, type="study.received.v1", topic="study-events", key="study_instance_uid"):
    """The first instances of a study are stored."""

    station_ae_title: str | None = None
    received_at: AwareDatetime


class StudyMatched(Fact, type="study.matched.v1", topic="study-events", key="study_instance_uid"):
    """The study belongs to an order."""

    study_instance_uid: Uid
    order_id: UUID
    patient_id: UUID
    accession_number: Identifier
    matched_by: MatchRule
    reason: str
    """In words, for a person."""
    ordered_study_instance_uid: Uid
    """The UID that `order` made; stays as an alias where it differs."""


class StudyUnmatched(Fact, type="study.unmatched.v1", topic="study-events", key="study_instance_uid"):
    """No order fits; the study waits on the unmatched list."""

    study_instance_uid: Uid
    patient_id: UUID | None = None
    accession_number: Identifier | None = None
    reason: str
    contradicted_by: tuple[str, ...] = ()
    """What of the images contradicts whom their number is of: `name`, `sex`. The study is kept, unconfirmed."""
    unconfirmed_order_id: UUID | None = None
    """The order that has the number; absent: it is the patient's own number, and no order fits."""


class LinkAct(OpenEnum):
    """What a person did."""

    LINK = "link"
    UNLINK = "unlink"
    CONFIRM = "confirm"
    """Images that show somebody else than their patient's number is of are that patient's."""
    UNDO = "undo"
    """The newest act was taken back."""
    UNMERGE = "unmerge"
    """Patients who counted as one do not any more (`patient.unmerged`), and a rule had found the order by that."""


class StudyRelinked(Fact, type="study.relinked.v1", topic="study-events", key="study_instance_uid"):
    """A person, `actor`, said to which order a study belongs, or that it belongs to none. No rule overrules that.

    But with the act `unmerge` nobody said it: the order is none that a rule would find today, and rules go on looking.
    """

    study_instance_uid: Uid
    previous_order_id: UUID | None = None
    """To which order it belonged until now."""
    previous_accession_number: Identifier | None = None
    order_id: UUID | None = None
    """Absent: to none; the study is unscheduled, and on the exceptions list."""
    patient_id: UUID | None = None
    """The order's, else as the images say."""
    accession_number: Identifier | None = None
    """The order's, else as the images say."""
    ordered_study_instance_uid: Uid | None = None
    """The UID that `order` made."""
    act: LinkAct
    reason: str
    """In the person's words, where there is one."""


class _Counted(_Study):
    series: tuple[SeriesSummary, ...]
    number_of_series: int
    number_of_instances: int


class StudyAvailable(_Counted, type="study.available.v1", topic="study-events", key="study_instance_uid"):
    """The study is complete and can be read. Stands once per study."""

    completeness: Completeness
    reason: str
    """In words: `mpps lists 120, all here`, `quiet for 60 s`, `incomplete 118 of 120`."""
    expected_instances: int | None = None
    last_evidence_at: AwareDatetime
    """When that happened which closed the study."""


class StudyUpdated(_Counted, type="study.updated.v1", topic="study-events", key="study_instance_uid"):
    """Late images came after the study was available."""

    added_instances: int
    reason: str


class ConflictingInstance(Part):
    """An instance that came with the SOP Instance UID of another one, and other bytes."""

    sop_instance_uid: Uid
    revision: int
    """1 for the first that conflicts, then 2, …"""
    sha256: str
    """Of its data set, hexadecimal."""
    current_sha256: str
    """Of the data set that came first and stays the current one, hexadecimal."""
    offset: int
    """Of its Part 10 file inside the pack, bytes."""
    length: int
    """Of its Part 10 file, bytes."""


class StudyConflicted(Fact, type="study.conflicted.v1", topic="study-events", key="study_instance_uid"):
    """Instances of one series came again under known UIDs with other bytes. Both are kept; the first stays current.

    Each of them is in one such fact.
    """

    study_instance_uid: Uid
    series_instance_uid: Uid
    pack: ObjectRef
    """Where those that came later lie."""
    source: Source
    calling_ae_title: str | None = None
    received_at: AwareDatetime
    instances: tuple[ConflictingInstance, ...]


class StudyConflictSettled(Fact, type="study.conflict_settled.v1", topic="study-events", key="study_instance_uid"):
    """A person, `actor`, has looked at the instances that conflict: those that came first stay current."""

    study_instance_uid: Uid
    reason: str
    """In the person's words."""


class Damage(OpenEnum):
    """In which way a pack is not what was stored."""

    MISSING = "missing"
    """The object store has none of this name."""
    ALTERED = "altered"
    """Its bytes have another hash than those that were stored."""


class StudyDamaged(Fact, type="study.damaged.v1", topic="study-events", key="study_instance_uid"):
    """A pack of a study was looked at and is not what was stored. Told once, until it is well again."""

    study_instance_uid: Uid
    pack: ObjectRef
    damage: Damage
    found_at: AwareDatetime
    number_of_instances: int
    """That cannot be had any more, or not as they were stored; the rest of the pack is well."""
    instances: tuple[Uid, ...]
    """The first thousand of them."""


class StudyRestored(Fact, type="study.restored.v1", topic="study-events", key="study_instance_uid"):
    """All packs of a study that was told to be damaged are again what was stored."""

    study_instance_uid: Uid
    found_at: AwareDatetime


class StudyVerificationAsked(Fact, type="study.verification_asked.v1", topic="study-events", key="study_instance_uid"):
    """A person, `actor`, wants the packs of a study looked at before their turn."""

    study_instance_uid: Uid
    number_of_packs: int


class StudyRejected(Fact, type="study.rejected.v1", topic="study-events", key="study_instance_uid"):
    """Instances of a study are not to be used: a rejection note (IHE IOCM, RAD-66) or a person, `actor`, said so.

    They are kept and not shown. A note that names several studies stands once per study.
    """

    study_instance_uid: Uid
    rejection_id: str
    """SOP Instance UID of the note, or the id of the person's act; `study.reinstated` names it."""
    code: CodedConcept
    """Title of the note: 113001 quality, 113037 patient safety, 113038 wrong worklist entry, 113039 retention (DCM)."""
    reason: str | None = None
    """In the person's words."""
    number_rejected: int
    """Instances that were shown until now; 0 where they have not come yet, or were rejected before."""
    number_of_instances: int
    """Instances of the study that are still shown."""
    number_of_series: int | None = None
    """With an instance that is shown now. Absent in facts of earlier versions, as is `series`."""
    series: tuple[SeriesSummary, ...] | None = None
    """These, with what of them is shown; the first thousand."""


class StudyReinstated(Fact, type="study.reinstated.v1", topic="study-events", key="study_instance_uid"):
    """A person, `actor`, took rejections back: what they hid is shown again, unless another one hides it."""

    study_instance_uid: Uid
    rejection_ids: tuple[str, ...]
    reason: str
    """In the person's words."""
    number_of_instances: int
    """Instances of the study that are shown now."""
    number_of_series: int | None = None
    """With an instance that is shown now. Absent in facts of earlier versions, as is `series`."""
    series: tuple[SeriesSummary, ...] | None = None
    """These, with what of them is shown; the first thousand."""


class UncommittedReference(Part):
    """An instance that is not committed, and why."""

    sop_class_uid: Uid
    sop_instance_uid: Uid
    failure_reason: int
    """(0008,1197): 0x0112 not here, 0x0119 of another class, 0x0110 here and damaged."""


class StudyCommitmentAnswered(Fact, type="study.commitment_answered.v1", topic="study-events", key="transaction_uid"):
    """What became of a storage commitment request: each instance was looked up, read back and compared with its hash.

    Of a request in several facts each has its answer, `part` 1 to `parts`; the numbers are of the whole request.
    """

    transaction_uid: Uid
    calling_ae_title: str
    """Whom it is told, by N-EVENT-REPORT."""
    answered_at: AwareDatetime
    part: int
    parts: int
    number_committed: int
    number_failed: int
    failed: tuple[UncommittedReference, ...]
    """Of this part."""
