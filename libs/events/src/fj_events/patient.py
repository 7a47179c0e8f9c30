"""Facts about identity. Owner: `patient`."""

from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, OpenEnum, Part
from fj_events.vocabulary import PatientPhi, Source, VisitPhi


class _PatientState(Fact):
    patient_id: UUID
    """UUIDv5 of issuer and number under the installation's namespace."""
    provisional: bool
    """True while only an order or a study has named the patient, and no ADT."""
    source: Source
    patient: PatientPhi


class PatientRegistered(_PatientState, type="patient.registered.v1", topic="patient-events", key="patient_id"):
    """A patient became known (HL7 v2.5.1 ch. 3 A01, A04, A05, A28; or named by an order or a study)."""


class PatientUpdated(_PatientState, type="patient.updated.v1", topic="patient-events", key="patient_id"):
    """Demographics or identifiers changed (A08, A31), or a provisional patient was filled in.

    Carries the whole new state.
    """


class FormerHolder(Part):
    """Whose everything is that was recorded under a number up to an instant, and after the holder before."""

    survivor_id: UUID
    until: AwareDatetime
    survivor: PatientPhi
    """Number and name, as they were known then."""


class _NumberMoved(Fact):
    patient_id: UUID
    survivor_id: UUID
    until: AwareDatetime | None = None
    patient: PatientPhi
    earlier: tuple[FormerHolder, ...] = ()

    @property
    def holders(self) -> frozenset[UUID]:
        """All whose records may be under the number, with its own id."""
        return frozenset({self.patient_id, self.survivor_id, *(each.survivor_id for each in self.earlier)})


class PatientMerged(_NumberMoved, type="patient.merged.v1", topic="patient-events", key="patient_id"):
    """What is known under this number belongs to another patient now (HL7 v2.5.1 ch. 3 A40, A34, A36, A47).

    Resolved: `survivor_id` is the end of the chain, and where that end moves the fact is stated again, for each number
    that led there. So a reader keeps for each number what its last fact says, and nothing older.
    """

    patient_id: UUID
    """The number that is no longer used."""
    until: AwareDatetime | None = None
    """Only what was recorded before this instant: after it the number was given to somebody else."""
    merged_at: AwareDatetime
    """When the merge was made, as the sender says (EVN-2, else MSH-7)."""
    source: Source
    survivor: PatientPhi
    """Number and name of the survivor, as they were known then."""
    earlier: tuple[FormerHolder, ...] = ()
    """Who had the number before and was merged too, the first one first: it was given out again more than once."""


class PatientUnmerged(_NumberMoved, type="patient.unmerged.v1", topic="patient-events", key="patient_id"):
    """A number stands for itself again: a merge was undone, or the number was given to somebody else."""

    survivor_id: UUID
    """To whom it belonged until now."""
    until: AwareDatetime | None = None
    """Set where the number was given to somebody else: what was recorded before this instant stays the survivor's."""
    reason: str
    earlier: tuple[FormerHolder, ...] = ()
    """All whose records of before stay theirs, the first one first; with `until` the last of them is `survivor_id`."""


class VisitKind(OpenEnum):
    """What is moved from one patient to another."""

    VISIT = "visit"
    """ADT^A45."""
    ACCOUNT = "account"
    """ADT^A44."""


class PatientVisitMoved(Fact, type="patient.visit_moved.v1", topic="patient-events", key="visit_id"):
    """Whose a visit or account is from now on (HL7 v2.5.1 ch. 3 A45, A44); the last fact of a number holds.

    What carries the number and names one of `patient_ids` is that patient's; where all moves of it were undone, it is
    of whom it names. Whatever else these patients have stays theirs.
    """

    visit_id: UUID
    """UUIDv5 of kind, issuer and number under the installation's namespace."""
    kind: VisitKind
    patient_ids: tuple[UUID, ...]
    """All whose it has been."""
    patient_id: UUID | None = None
    """Whose it is now; None where all moves of it were undone."""
    moved_at: AwareDatetime
    """When it was moved, as the sender says (EVN-2, else MSH-7)."""
    reason: str
    visit: VisitPhi
    patient: PatientPhi | None = None
    """Who that is, as known then."""


class PatientVisitRenumbered(Fact, type="patient.visit_renumbered.v1", topic="patient-events", key="visit_id"):
    """A visit or account has another number from now on (HL7 v2.5.1 ch. 3 A50, A49); the last fact of a number holds.

    What carries `visit.number` and names one of `patient_ids` carries `visit.present_number`; where all changes of the
    number were undone there is none, and what carried it carries it again.
    """

    visit_id: UUID
    """UUIDv5 of kind, issuer and number, as it was before, under the installation's namespace."""
    kind: VisitKind
    patient_ids: tuple[UUID, ...]
    """All numbers by which the message names the patient: somebody else's visit with that number keeps it."""
    renumbered_at: AwareDatetime
    """When it was changed, as the sender says (EVN-2, else MSH-7)."""
    reason: str
    visit: VisitPhi


class VisitState(OpenEnum):
    """How far a visit is."""

    PLANNED = "planned"
    """Announced before it begins (A05)."""
    ADMITTED = "admitted"
    """The patient is here, as an inpatient or not (A01, A04, A06, A07)."""
    DISCHARGED = "discharged"
    """The patient has left (A03)."""
    CANCELLED = "cancelled"
    """It does not take place (A11, A38)."""


class PatientVisitUpdated(Fact, type="patient.visit_updated.v1", topic="patient-events", key="visit_id"):
    """How far a visit is and where its patient is (HL7 v2.5.1 ch. 3 A01 to A13, A38); the last fact of a number holds.

    Of each patient among `patient_ids` for itself: two who have a visit of one number have one each. Carries all that
    is so by now, also where a cancel took something back.
    """

    visit_id: UUID
    """UUIDv5 of kind, issuer and number under the installation's namespace."""
    patient_ids: tuple[UUID, ...]
    """All numbers under which it was told of this visit: more than one where it went to another patient."""
    state: VisitState | None = None
    """None where nothing holds that was said: a move or another number of the visit was undone."""
    patient_class: str | None = None
    """HL7 table 0004: I inpatient, O outpatient, E emergency …"""
    updated_at: AwareDatetime
    """When the last of it happened, as the sender says (EVN-2, else MSH-7)."""
    visit: VisitPhi
    """`location` only where the patient is here by now."""


class PatientMergeCompleted(Fact, type="patient.merge_completed.v1", topic="patient-events", key="patient_id"):
    """Every room has followed a merge, or an unmerge: all doors answer alike."""

    patient_id: UUID
    survivor_id: UUID
    """Whose the number is now; itself after an unmerge."""
    rooms: tuple[str, ...]


class PatientVisitMoveCompleted(Fact, type="patient.visit_move_completed.v1", topic="patient-events", key="visit_id"):
    """Every room has followed a move or another number of a visit or account, or its undoing: all answer alike."""

    visit_id: UUID
    kind: VisitKind
    patient_id: UUID | None = None
    """Whose it is now; None where all moves of it were undone."""
    rooms: tuple[str, ...]
    """All that had something to follow; `order` alone where no order ever went with it."""


class PatientLinkCompleted(Fact, type="patient.link_completed.v1", topic="patient-events", key="patient_id"):
    """Every room that answers for persons has followed a link, or its end: all doors answer alike."""

    patient_id: UUID
    enterprise_id: UUID
    """Which person the number stands for now."""
    rooms: tuple[str, ...]


class LinkBasis(OpenEnum):
    """Why two numbers are taken for one person's."""

    MESSAGE = "message"
    """A registration system said so (ADT^A24, ADT^A37)."""
    IDENTIFIER = "identifier"
    """Both carry one further number of one issuer."""
    SCORE = "score"
    """So much of the demographics agrees that the installation lets it decide."""
    USER = "user"


class _EnterpriseIdentity(Fact):
    patient_id: UUID
    enterprise_id: UUID
    """Which person this number stands for from now on; numbers of one person have the same."""
    basis: LinkBasis
    reason: str


class PatientLinked(_EnterpriseIdentity, type="patient.linked.v1", topic="patient-events", key="patient_id"):
    """This number and others stand for one person; each stays in use (HL7 v2.5.1 3.3.24, A24)."""


class PatientUnlinked(_EnterpriseIdentity, type="patient.unlinked.v1", topic="patient-events", key="patient_id"):
    """This number no longer stands for the same person as others (HL7 v2.5.1 3.3.37, A37)."""


class MatchGrade(OpenEnum):
    """How sure the matcher is (FHIR R4 match-grade)."""

    CERTAIN = "certain"
    PROBABLE = "probable"


class DuplicateOutcome(OpenEnum):
    """Why nobody has to look at a pair any more."""

    LINKED = "linked"
    """Both stand for one person now."""
    MERGED = "merged"
    """One of the numbers is no longer used."""
    APART = "apart"
    """Somebody said that they are two."""
    CHANGED = "changed"
    """What is known of them by now no longer agrees."""


class _Pair(Fact):
    patient_id: UUID
    """Of the two ids the smaller one."""
    other_id: UUID


class PatientDuplicateSuspected(_Pair, type="patient.duplicate_suspected.v1", topic="patient-events", key="patient_id"):
    """Two records may be of one person: a person has to say. Said again where it rests on other data by now."""

    score: float
    """The sum of the weights of all that was compared (Fellegi and Sunter)."""
    grade: MatchGrade
    reasons: tuple[str, ...]
    """What was compared and what came of it: `birth date transposed`."""
    patient: PatientPhi
    other: PatientPhi


class PatientDuplicateDismissed(_Pair, type="patient.duplicate_dismissed.v1", topic="patient-events", key="patient_id"):
    """A person said that two records are of two persons: they are not suggested again unless one of them changes."""

    reason: str


class PatientDuplicateResolved(_Pair, type="patient.duplicate_resolved.v1", topic="patient-events", key="patient_id"):
    """Nobody has to look at a pair any more."""

    outcome: DuplicateOutcome


class PatientFollowed(Fact, type="patient.followed.v1", topic="follower-events", key="follower"):
    """A room answers for a number as the last merge or unmerge of it says; the fact that it followed is the cause."""

    follower: str
    """Room and patient id, `storage.6f1c…`: each room counts its own facts."""
    room: str
    patient_id: UUID
    survivor_id: UUID


class PatientLinkFollowed(Fact, type="patient.link_followed.v1", topic="follower-events", key="follower"):
    """A room answers for a number as the last link or unlink of it says; the fact that it followed is the cause."""

    follower: str
    """Room and patient id, `ehr_sync.6f1c…`: each room counts its own facts."""
    room: str
    patient_id: UUID
    enterprise_id: UUID


class PatientVisitFollowed(Fact, type="patient.visit_followed.v1", topic="follower-events", key="follower"):
    """A room has followed a move or another number of a visit or account; the fact that it followed is the cause.

    `order` follows that fact itself, every other room each order that went along (`order.changed` with `moved_with`).
    """

    follower: str
    """Room and visit id, `storage.93b8…`: each room counts its own facts."""
    room: str
    visit_id: UUID
    changes: tuple[UUID, ...] = ()
    """Of `order`: the facts `order.changed` that tell the other rooms of it; none where no order went along."""
