"""Which exam a reading is about: by its numbers, the surest first."""

from collections.abc import Sequence
from typing import Final

from fj_events import Identifier

from reporting_service.domain.report import Reading, Subject

_NO_MATCH: Final = 99


def choose(reading: Reading, subjects: Sequence[Subject]) -> Subject | None:
    """The one that fits best; None where none fits, or where two fit equally well: then a person must say which."""
    ranked = sorted(((rank(reading, subject), subject) for subject in subjects), key=lambda pair: pair[0])
    best = [subject for score, subject in ranked if score == ranked[0][0] and score < _NO_MATCH]
    return best[0] if len(best) == 1 else None


def rank(reading: Reading, subject: Subject) -> int:
    """0 is surest. A number without its issuer counts only inside the site that the report came from (law 6)."""
    placer, accessions = reading.placer_order_number, reading.accession_numbers
    same_site = reading.site == subject.site
    tests = (
        placer is not None and placer == subject.placer_order_number,
        subject.accession_number is not None and subject.accession_number in accessions,
        bool(set(reading.study_instance_uids) & set(subject.study_instance_uids)),
        bool(set(accessions) & set(subject.study_accession_numbers)),
        same_site and _same_value(placer, subject.placer_order_number),
        same_site and any(_same_value(number, subject.accession_number) for number in accessions),
    )
    return next((score for score, fits in enumerate(tests) if fits), _NO_MATCH)


def numbers_of(reading: Reading) -> tuple[str, ...]:
    """Every value by which the exam of a reading can be found."""
    of_documents = (reading.document_number, reading.addendum_to)
    identifiers = (*reading.accession_numbers, reading.placer_order_number, *of_documents)
    values = (number.value for number in identifiers if number)
    return tuple(sorted({*values, *reading.study_instance_uids}))


def _same_value(one: Identifier | None, other: Identifier | None) -> bool:
    return one is not None and other is not None and one.value == other.value
