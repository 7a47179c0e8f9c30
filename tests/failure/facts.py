"""What must hold of the facts on the log, whatever has happened to those who wrote them."""

from collections import Counter, defaultdict

from fj_testing import Record


def once_and_without_gaps(facts: list[Record]) -> None:
    """Each fact stands once on Kafka, its number without gap or repeat per topic and key, in order."""
    assert max(Counter(record.headers["ce_id"] for record in facts).values()) == 1
    numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for record in facts:
        numbers[record.topic, record.key].append(record.sequence)
    wrong = {key: found for key, found in numbers.items() if found != list(range(1, len(found) + 1))}
    assert wrong == {}
