"""What of a study goes while the rest stays: instances that were rejected long ago, where a rule says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from fj_events import ObjectRef, StudyPackMoved
from fj_events.keeping import KeptRange

from storage_service.domain.manifest import Entry
from storage_service.domain.retention import RejectedRule
from storage_service.domain.retirement import Content, Packed

Range = tuple[int, int]
"""Offset and length in the pack that is replaced."""


@dataclass(frozen=True, slots=True)
class Said:
    """A rejection; empty: every series, every instance."""

    series_instance_uid: str
    sop_instance_uid: str
    rejection_id: str
    code: str
    rejected_at: datetime

    def names(self, series_instance_uid: str, sop_instance_uid: str) -> bool:
        """Whether it is about this instance."""
        return self.series_instance_uid in {"", series_instance_uid} and self.sop_instance_uid in {"", sop_instance_uid}


@dataclass(frozen=True, slots=True)
class Held:
    """The instances of one series in one pack."""

    series_key: int
    series_instance_uid: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A pack that is to be written without some of its instances."""

    pack_key: int
    stored: ObjectRef
    kept: tuple[Held, ...]
    gone: tuple[Held, ...]

    @property
    def offsets(self) -> frozenset[int]:
        """Where the files begin that are kept; none: nothing of the pack is."""
        return frozenset(entry.offset for held in self.kept for entry in held.entries)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What lets instances go."""

    rule: RejectedRule
    by: datetime
    """What was rejected after this has its own grace."""
    today: date

    def takes(self, said: Said) -> bool:
        """Whether what this rejection names goes now."""
        return said.rejected_at <= self.by and self.rule.takes(said.code, said.rejected_at, self.today)


def plan(
    packs: Iterable[tuple[int, ObjectRef, Sequence[Held]]], said: Sequence[Said], sentence: Sentence
) -> list[Rewrite]:
    """The packs in which something lies that goes: one rejection says so, and none for another reason.

    Under whose UID other bytes came too is kept: a person has to say first which are right.
    """
    given = list(packs)
    disputed = {e.sop_instance_uid for _, _, all_ in given for held in all_ for e in held.entries if e.revision}

    def goes(series: str, entry: Entry) -> bool:
        about = [one for one in said if one.names(series, entry.sop_instance_uid)]
        return (
            any(sentence.takes(one) for one in about)
            and all(one.code in sentence.rule.codes for one in about)
            and entry.sop_instance_uid not in disputed
        )

    found = []
    for pack_key, stored, all_ in given:
        gone = _part(all_, [[goes(held.series_instance_uid, entry) for entry in held.entries] for held in all_])
        kept = _part(all_, [[not goes(held.series_instance_uid, entry) for entry in held.entries] for held in all_])
        if gone:
            found.append(Rewrite(pack_key, stored, kept, gone))
    return found


def _part(all_: Sequence[Held], chosen: Sequence[Sequence[bool]]) -> tuple[Held, ...]:
    parts = [
        Held(
            held.series_key,
            held.series_instance_uid,
            tuple(e for e, yes in zip(held.entries, some, strict=True) if yes),
        )
        for held, some in zip(all_, chosen, strict=True)
    ]
    return tuple(part for part in parts if part.entries)


def removed_of(rewrites: Sequence[Rewrite]) -> Packed:
    """What goes, for the tombstone; of a pack that is kept in part the bytes of what goes are counted."""
    gone = [(held.series_instance_uid, entry) for one in rewrites for held in one.gone for entry in held.entries]
    instances = tuple(Content(series, entry.sop_instance_uid, entry.sha256) for series, entry in gone)
    return Packed(instances, len(rewrites), sum(entry.length for _, entry in gone))


def rewritten(site: str, study: str, rewrite: Rewrite, to: ObjectRef, ranges: Sequence[Range]) -> StudyPackMoved:
    """What is told of a pack that was written anew."""
    return StudyPackMoved(
        site=site,
        study_instance_uid=study,
        previous=rewrite.stored,
        pack=to,
        kept=tuple(KeptRange(offset=offset, length=length) for offset, length in ranges),
    )
