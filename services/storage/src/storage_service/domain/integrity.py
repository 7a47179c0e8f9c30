"""Whether what is kept is what was stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fj_events import Damage, ObjectRef, StudyDamaged

NAMED: Final = 1000
"""Instances that a fact names: more would not fit into an event (law 7); their number stands beside them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An instance in a pack."""

    study_instance_uid: str
    sop_instance_uid: str
    offset: int
    """Of its data set inside the pack, bytes."""
    length: int
    """Of its data set, bytes."""
    sha256: bytes
    """Of its data set as received."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as the index knows it."""

    key: int
    stored: ObjectRef
    damage: Damage | None
    """What was found when it was looked at last."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a pack has shown."""

    damage: Damage | None
    lost: tuple[Kept, ...] = ()
    """Instances that are not there, or not as they were stored."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The archive's state, for an operator."""

    packs: int
    bytes: int
    damaged_packs: int
    asked_for: int
    """Packs that somebody wants looked at out of turn."""
    longest_ago: datetime | None
    """When the pack that was not looked at for longest was compared last."""


def damage_of(pack: Pack, finding: Finding, site: str, study: str, found_at: datetime) -> StudyDamaged | None:
    """What has to be told of a study whose pack this is; None where all is well."""
    if finding.damage is None:
        return None
    lost = [kept.sop_instance_uid for kept in finding.lost if kept.study_instance_uid == study]
    return StudyDamaged(
        site=site,
        study_instance_uid=study,
        pack=pack.stored,
        damage=finding.damage,
        found_at=found_at,
        number_of_instances=len(lost),
        instances=tuple(lost[:NAMED]),
    )
