"""The built-in task: rules that look at an order and its study, and say how soon it should be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fj_events import Identifier, Priority
from pydantic import BaseModel, ConfigDict, StringConstraints

TASK: Final = "rules"
"""The name of this task on its facts."""
STAT_ORDER: Final = "order-priority"
"""The rule that is always there: a study is read no later than its order asks for."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class When(BaseModel):
    """What a study must be like; what is left out matches all. Texts are compared without regard to case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: tuple[Text, ...] = ()
    modality: tuple[Text, ...] = ()
    procedure_code: tuple[Text, ...] = ()
    text_contains: tuple[Text, ...] = ()
    """In the words of the procedure or the study description."""


class Rule(BaseModel):
    """One line of the rule file: when a study is like this, it is at least this urgent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    when: When
    priority: Priority
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A study and what is known of its order."""

    study_instance_uid: str
    site: str
    modalities: frozenset[str] = frozenset()
    description: str | None = None
    ordered_priority: Priority | None = None
    ordered_modality: str | None = None
    procedure_code: str | None = None
    procedure_text: str | None = None
    order_id: UUID | None = None
    accession_number: Identifier | None = None
    priority: Priority = Priority.ROUTINE
    """How urgent the study is now."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How urgent, by which rule, and why."""

    priority: Priority
    rule: str
    reason: str


def judge(subject: Subject, rules: Sequence[Rule]) -> Verdict | None:
    """The most urgent verdict, if it is more urgent than the study is now; among equals the order comes first."""
    verdicts = [Verdict(rule.priority, rule.name, rule.reason) for rule in rules if _fits(subject, rule.when)]
    if subject.ordered_priority is not None:
        wish = subject.ordered_priority
        verdicts.insert(0, Verdict(wish, STAT_ORDER, f"the order is {wish}"))
    best = min(verdicts, key=lambda verdict: verdict.priority.rank, default=None)
    return best if best is not None and best.priority.rank < subject.priority.rank else None


def _fits(subject: Subject, when: When) -> bool:
    modalities = subject.modalities | ({subject.ordered_modality} if subject.ordered_modality else set())
    words = f"{subject.procedure_text or ''} {subject.description or ''}".casefold()
    return (
        _one_of(when.site, {subject.site})
        and _one_of(when.modality, modalities)
        and _one_of(when.procedure_code, {subject.procedure_code} if subject.procedure_code else set())
        and (not when.text_contains or any(part.casefold() in words for part in when.text_contains))
    )


def _one_of(wanted: tuple[str, ...], found: set[str] | frozenset[str]) -> bool:
    return not wanted or bool({text.casefold() for text in wanted} & {text.casefold() for text in found})
