"""Which packs lie where: the tiers of `FJ_LIFECYCLE`. Without one that fits a pack stays where `ingest` put it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from fj_events import ObjectRef, StudyPackMoved

from storage_service.domain.retention import Retained, Since, Span, When


@dataclass(frozen=True, slots=True)
class Tier:
    """Packs of studies that fit lie in this bucket after so long."""

    name: str
    bucket: str
    when: When
    after: Span
    since: Since
    storage_class: str | None = None
    """Of the object store; absent: its default for the bucket."""

    def takes(self, study: Retained, today: date) -> bool:
        """Whether packs of this study belong here."""
        return self.when.holds(study) and self.after.after(study.start(self.since)) <= today


@dataclass(frozen=True, slots=True)
class Movable:
    """A pack, and the study that it is of."""

    pack_key: int
    stored: ObjectRef
    study: Retained


@dataclass(frozen=True, slots=True)
class Tiers:
    """All tiers, the nearest first."""

    tiers: tuple[Tier, ...] = ()

    @property
    def buckets(self) -> Sequence[str]:
        """Their buckets, the nearest first."""
        return list(dict.fromkeys(tier.bucket for tier in self.tiers))

    def of(self, pack: Movable, today: date) -> Tier | None:
        """Where a pack is to be moved. It is only ever moved farther, so that nothing goes back and forth."""
        order = {bucket: place for place, bucket in enumerate(self.buckets)}
        here = order.get(pack.stored.bucket, -1)
        found = [tier for tier in self.tiers if order[tier.bucket] > here and tier.takes(pack.study, today)]
        return max(found, key=lambda tier: order[tier.bucket], default=None)


def moved(pack: Movable, to: ObjectRef, tier: Tier) -> StudyPackMoved:
    """What is told of a pack that lies in another tier now."""
    return StudyPackMoved(
        site=pack.study.site,
        study_instance_uid=pack.study.study_instance_uid,
        previous=pack.stored,
        pack=to,
        rule=tier.name,
    )
