"""Which earlier images are fetched ahead of an exam: those that its reader will most likely lay beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Planned:
    """An exam that is about to be performed."""

    exam_key: str
    order_id: UUID
    study_instance_uid: str
    modalities: tuple[str, ...]
    procedure: str
    """What is to be done, in words and code."""


@dataclass(frozen=True, slots=True)
class PriorPack:
    """An object with images."""

    bucket: str
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study of the same patient."""

    study_date: date
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    packs: tuple[PriorPack, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(pack.size for pack in self.packs)


def chosen(exam: Planned, priors: Iterable[Prior], most: int) -> Sequence[PriorPack]:
    """Whole studies, the best first, of no more than `most` bytes together; one that is too large is left out."""
    packs: list[PriorPack] = []
    left = most
    for prior in sorted(priors, key=lambda prior: _rank(exam, prior), reverse=True):
        if prior.size <= left:
            packs += prior.packs
            left -= prior.size
    return packs


def _rank(exam: Planned, prior: Prior) -> tuple[int, date]:
    """The same modality counts twice as much as the same part of the body; then what is newer."""
    words = exam.procedure.casefold()
    modality = bool(set(exam.modalities) & set(prior.modalities))
    body_part = any(part.casefold() in words for part in prior.body_parts)
    return 2 * modality + body_part, prior.study_date
