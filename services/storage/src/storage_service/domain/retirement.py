"""Studies on hold, studies that are to go, and what is kept of those that are gone."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from fj_events import RecallCause, StudyRecalled, StudyRemovalDelayed, StudyRemoved

from storage_service.domain.facts import shown_now
from storage_service.domain.rejection import Shown


class KeepingRefused(Exception):
    """What somebody wants cannot be done; the message says why, free of PHI."""


class NotHere(KeepingRefused):
    """There is nothing of this name."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold. Of a study, or of all studies of a patient: then `patient_id` is there."""

    hold_id: UUID
    study_instance_uid: str
    """For which it was asked."""
    patient_id: UUID | None
    reason: str
    actor: str
    held_at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lifted_because: str | None = None

    def is_said_by(self, other: "Hold") -> bool:
        """The same person asks for the same once more: the answer was lost on its way."""
        return replace(other, hold_id=self.hold_id, held_at=self.held_at) == self


@dataclass(frozen=True, slots=True)
class Retirement:
    """A study that is not shown any more and will be removed."""

    retirement_id: UUID
    study_instance_uid: str
    site: str
    rule: str | None
    """Absent where a person retired it."""
    reason: str
    actor: str | None
    retired_at: datetime
    removal_at: datetime
    partial: bool = False
    """Only rejected instances of it go; the rest is shown meanwhile."""
    forgotten_at: datetime | None = None
    """Since when `ingest` takes what comes of it for new; before that nothing is removed."""

    def is_due(self, now: datetime) -> bool:
        """Whether what goes may go now."""
        return self.removal_at <= now and self.forgotten_at is not None


@dataclass(frozen=True, slots=True)
class Content:
    """An instance of a study that is removed."""

    series_instance_uid: str
    sop_instance_uid: str
    sha256: bytes
    """Of its data set."""


@dataclass(frozen=True, slots=True)
class Packed:
    """All that is kept of a study."""

    instances: tuple[Content, ...]
    """Shown or not, all revisions."""
    number_of_packs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is known of a study that was removed."""

    retirement_id: UUID
    study_instance_uid: str
    site: str
    rule: str | None
    reason: str
    retired_at: datetime
    retired_by: str | None
    removed_at: datetime
    number_of_series: int
    number_of_instances: int
    number_of_packs: int
    bytes: int
    content_sha256: str
    number_left: int = 0
    """Instances that are kept."""

    @property
    def fact(self) -> StudyRemoved:
        """As the log has it."""
        return StudyRemoved(
            site=self.site,
            study_instance_uid=self.study_instance_uid,
            retirement_id=self.retirement_id,
            rule=self.rule,
            reason=self.reason,
            retired_at=self.retired_at,
            retired_by=self.retired_by,
            number_of_series=self.number_of_series,
            number_of_instances=self.number_of_instances,
            number_of_packs=self.number_of_packs,
            bytes=self.bytes,
            content_sha256=self.content_sha256,
            number_left=self.number_left,
        )


def recalled(retirement: Retirement, cause: RecallCause, reason: str, shown: Shown) -> StudyRecalled:
    """What is told of a study that is shown again."""
    return StudyRecalled(
        site=retirement.site,
        study_instance_uid=retirement.study_instance_uid,
        retirement_id=retirement.retirement_id,
        cause=cause,
        reason=reason,
        **shown_now(shown),
    )


def delayed(retirement: Retirement) -> StudyRemovalDelayed:
    """What is told of a study that cannot be removed yet."""
    return StudyRemovalDelayed(
        site=retirement.site,
        study_instance_uid=retirement.study_instance_uid,
        retirement_id=retirement.retirement_id,
        removal_at=retirement.removal_at,
        reason="ingest has not said yet that it takes what comes of the study for new",
    )


def tombstone(retirement: Retirement, packed: Packed, removed_at: datetime, number_left: int = 0) -> Tombstone:
    """What stays of what is removed now."""
    return Tombstone(
        retirement_id=retirement.retirement_id,
        study_instance_uid=retirement.study_instance_uid,
        site=retirement.site,
        rule=retirement.rule,
        reason=retirement.reason,
        retired_at=retirement.retired_at,
        retired_by=retirement.actor,
        removed_at=removed_at,
        number_of_series=len({content.series_instance_uid for content in packed.instances}),
        number_of_instances=len(packed.instances),
        number_of_packs=packed.number_of_packs,
        bytes=packed.bytes,
        content_sha256=content_hash(packed.instances),
        number_left=number_left,
    )


def content_hash(instances: Iterable[Content]) -> str:
    """See `fj_events.StudyRemoved.content_sha256`."""
    lines = sorted(f"{content.sop_instance_uid} {content.sha256.hex()}\n" for content in instances)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whether and how long a study is kept, as others see it."""

    study_instance_uid: str
    rule: str | None
    """That decides today whether it is due; absent where none says so."""
    due_since: date | None
    holds: tuple[Hold, ...]
    """That stand."""
    retirement: Retirement | None
    tombstones: tuple[Tombstone, ...]
    """Of studies that were removed under this UID."""
