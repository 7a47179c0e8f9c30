"""How long studies are kept: the rules of `FJ_LIFECYCLE`. Without a rule that fits a study is kept for ever."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

FEBRUARY: Final = 2
FOR_EVER: Final = date.max


class Since(StrEnum):
    """From when on the time is counted."""

    STUDY = "study"
    """The study date; where there is none, the receipt."""
    RECEIPT = "receipt"
    """Of the last instance."""
    ACCESS = "access"
    """The last time that somebody retrieved of it; where nobody has, the receipt."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time to keep something."""

    years: int = 0
    days: int = 0

    def after(self, day: date) -> date:
        """The first day on which it is over."""
        last = years_after(day, self.years)
        return last + timedelta(days=self.days) if self.days < (FOR_EVER - last).days else FOR_EVER

    @property
    def at_least(self) -> timedelta:
        """No shorter than this, whatever years they are."""
        return timedelta(days=365 * self.years + self.days)

    def __str__(self) -> str:
        parts = [f"{self.years} years"] * bool(self.years) + [f"{self.days} days"] * bool(self.days)
        return " and ".join(parts) or "0 days"


@dataclass(frozen=True, slots=True)
class Minors:
    """Studies of minors are kept until so long after they come of age."""

    majority: int
    """Years of age."""
    keep: Span

    def until(self, study: "Retained") -> date | None:
        """Until when, for who was a minor at that time. Whoever has no birth date counts as born on that day."""
        of_age = years_after(study.birth_date or study.day, self.majority)
        return self.keep.after(of_age) if study.day < of_age else None


@dataclass(frozen=True, slots=True)
class When:
    """Which studies something is about. A condition that is absent holds for every study."""

    sites: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    descriptions: tuple[str, ...] = ()
    """Patterns with `*` and `?`; case does not matter."""

    def holds(self, study: "Retained") -> bool:
        """Whether every condition holds."""
        description = study.description.casefold()
        return (
            (not self.sites or study.site in self.sites)
            and (not self.modalities or not self.modalities.isdisjoint(study.modalities))
            and (not self.descriptions or any(fnmatchcase(description, one.casefold()) for one in self.descriptions))
        )


@dataclass(frozen=True, slots=True)
class Retained:
    """What rules can ask about a study."""

    study_instance_uid: str
    site: str
    modalities: tuple[str, ...]
    description: str
    study_date: date | None
    received_at: datetime
    """Its last instance."""
    accessed_at: datetime | None
    birth_date: date | None

    @property
    def day(self) -> date:
        """The study date, else that of its receipt."""
        return self.study_date or self.received_at.date()

    def start(self, since: Since) -> date:
        """From when on the time is counted."""
        if since is Since.STUDY:
            return self.day
        heard = max(filter(None, (self.received_at, self.accessed_at)))
        return (heard if since is Since.ACCESS else self.received_at).date()


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How long the studies that fit are kept."""

    name: str
    when: When
    keep: Span | None
    """None: for ever."""
    since: Since
    grace: timedelta
    """How long a study that is due is hidden before it is removed."""
    minors: Minors | None = None

    def until(self, study: Retained) -> date:
        """The first day on which this rule no longer keeps it."""
        if self.keep is None:
            return FOR_EVER
        over = self.keep.after(study.start(self.since))
        grown = self.minors.until(study) if self.minors else None
        return max(over, grown) if grown else over

    @property
    def reason(self) -> str:
        """What the rule asks, in words, without anything of the patient."""
        minors = f", of minors {self.minors.keep} after their majority" if self.minors else ""
        return f"{self.keep} since {self.since}{minors}"


@dataclass(frozen=True, slots=True)
class RejectedRule:
    """What was rejected with one of these codes, and with no other, is removed after so long."""

    name: str
    codes: frozenset[str]
    """Titles of rejection notes (DCM)."""
    after: Span
    grace: timedelta
    when: When = field(default_factory=When)

    def takes(self, code: str, rejected_at: datetime, today: date) -> bool:
        """Whether what was rejected so is removed by now."""
        return code in self.codes and self.after.after(rejected_at.date()) <= today

    @property
    def reason(self) -> str:
        """What the rule asks, in words."""
        return f"{self.after} since it was rejected with {', '.join(sorted(self.codes))}"


@dataclass(frozen=True, slots=True)
class Due:
    """A study that a rule no longer keeps."""

    study_instance_uid: str
    site: str
    rule: str
    reason: str
    since: date
    """The first day on which it is not kept."""
    grace: timedelta
    partial: bool = False
    """Only rejected instances of it go."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the rules would do."""

    on: date
    number_of_studies: int
    complete: bool
    """False: there are more."""
    by_rule: Mapping[str, int]
    studies: tuple[Due, ...]
    """Some of them, those that are due longest first."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """All rules."""

    retention: tuple[RetentionRule, ...] = ()
    rejected: tuple[RejectedRule, ...] = ()

    def expired(self, study: Retained, today: date) -> Due | None:
        """What becomes of a study today. Of all rules that fit the one that keeps it longest decides."""
        fitting = [rule for rule in self.retention if rule.when.holds(study)]
        if not fitting:
            return None
        last = max(fitting, key=lambda rule: rule.until(study))
        until = last.until(study)
        if until > today:
            return None
        return Due(study.study_instance_uid, study.site, last.name, last.reason, until, last.grace)

    def rejected_long_ago(self, study: Retained, codes: Iterable[str], since: datetime, today: date) -> Due | None:
        """The same for a study of which nothing is shown: with which codes it was rejected, and since when."""
        given = frozenset(codes)
        for rule in self.rejected:
            until = rule.after.after(since.date())
            if given and given <= rule.codes and until <= today and rule.when.holds(study):
                return Due(study.study_instance_uid, study.site, rule.name, rule.reason, until, rule.grace)
        return None

    @property
    def shortest(self) -> timedelta | None:
        """No rule lets a study go before; None where none ever does."""
        return min((rule.keep.at_least for rule in self.retention if rule.keep is not None), default=None)


def years_after(day: date, years: int) -> date:
    """The same day so many years later; the day after the last of February where that year has no 29th."""
    if years > date.max.year - day.year:
        return FOR_EVER
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, FEBRUARY + 1, 1)
