"""Facts about how long a study is kept, and where. Owner: `storage`."""

from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, OpenEnum, Part
from fj_events.study import SeriesSummary
from fj_events.terms import ObjectRef, Uid


class StudyHeld(Fact, type="study.held.v1", topic="study-events", key="study_instance_uid"):
    """A person, `actor`, said that a study must not be removed, whatever the rules say (legal hold).

    A hold on a patient stands once for each study that is here; those that come later are held with them.
    """

    study_instance_uid: Uid
    hold_id: UUID
    """`study.hold_lifted` names it; the same for all studies of a patient."""
    patient_id: UUID | None = None
    """All studies of this patient are held."""
    reason: str
    """In the person's words."""


class StudyHoldLifted(Fact, type="study.hold_lifted.v1", topic="study-events", key="study_instance_uid"):
    """A person, `actor`, lifted a hold."""

    study_instance_uid: Uid
    hold_id: UUID
    reason: str
    """In the person's words."""
    still_held: bool
    """By another hold."""


class StudyRetired(Fact, type="study.retired.v1", topic="study-events", key="study_instance_uid"):
    """A study has reached the end of its retention, or a person, `actor`, said so.

    It is not shown any more, and removed after `removal_at`, unless it is recalled until then. Where instances are
    left, only those go that were rejected before.
    """

    study_instance_uid: Uid
    retirement_id: UUID
    """`study.recalled` and `study.removed` name it."""
    rule: str | None = None
    """Of FJ_LIFECYCLE; absent where a person retired it."""
    reason: str
    """What the rule asks, or the person's words."""
    removal_at: AwareDatetime
    number_of_instances: int
    """That were shown until now, and are not any more."""
    number_left: int = 0
    """That are shown still."""


class RecallCause(OpenEnum):
    """Why a study stays after all."""

    PERSON = "person"
    HOLD = "hold"
    """Somebody put it on hold."""
    IMAGES = "images"
    """Images of it came."""
    RULE = "rule"
    """The rule does not say so any more."""


class StudyRecalled(Fact, type="study.recalled.v1", topic="study-events", key="study_instance_uid"):
    """A retired study is shown again and stays."""

    study_instance_uid: Uid
    retirement_id: UUID
    cause: RecallCause
    reason: str
    number_of_instances: int
    """That are shown now."""
    number_of_series: int | None = None
    """With an instance that is shown now. Absent in facts of earlier versions, as is `series`."""
    series: tuple[SeriesSummary, ...] | None = None
    """These, with what of them is shown; the first thousand."""


class StudyRemoved(Fact, type="study.removed.v1", topic="study-events", key="study_instance_uid"):
    """A retired study is gone: nothing but this tombstone is kept of it. Its objects are deleted after this.

    Images of it that come later are a new study. Where instances are left, only rejected ones are gone.
    """

    study_instance_uid: Uid
    retirement_id: UUID
    rule: str | None = None
    reason: str
    retired_at: AwareDatetime
    retired_by: str | None = None
    """The person who retired it; absent where a rule did."""
    number_of_series: int
    number_of_instances: int
    """That are gone, shown before or not."""
    number_left: int = 0
    """That are kept, shown or not."""
    number_of_packs: int
    """In which something of that lay."""
    bytes: int
    """Of these packs; where instances are left, of the files that are gone."""
    content_sha256: str
    """Hexadecimal SHA-256 of a line `<SOP Instance UID> <SHA-256 of its data set>` for each instance, sorted, each
    ended by a line feed. Who has a copy can prove that it is what was removed."""


class StudyRemovalDelayed(Fact, type="study.removal_delayed.v1", topic="study-events", key="study_instance_uid"):
    """A retired study should have been removed long ago, and something is still waited for. Stated once."""

    study_instance_uid: Uid
    retirement_id: UUID
    removal_at: AwareDatetime
    """As `study.retired` said."""
    reason: str
    """What is waited for, in words."""


class KeptRange(Part):
    """Bytes that a pack has from the one that it replaces."""

    offset: int
    """In the replaced pack."""
    length: int


class StudyPackMoved(Fact, type="study.pack_moved.v1", topic="study-events", key="study_instance_uid"):
    """A pack of a study lies elsewhere now. Its bytes were compared with their hash on the way."""

    study_instance_uid: Uid
    previous: ObjectRef
    """Where it lay; that object is deleted later."""
    pack: ObjectRef
    rule: str | None = None
    """Of FJ_LIFECYCLE, by which it moved to another tier; absent where it was written anew: without what was removed,
    or together with others, of each of which there is a fact."""
    kept: tuple[KeptRange, ...] = ()
    """What the new object has of the previous one, in this order; empty: all of it. Of the first range it has the place
    alone, as the first member of a pack names the pack."""
    begins: int = 0
    """Where that begins in the new object."""
