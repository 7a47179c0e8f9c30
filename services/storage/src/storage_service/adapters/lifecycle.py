"""The rules of `FJ_LIFECYCLE`."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml

from storage_service.domain.rejection import Code
from storage_service.domain.retention import Lifecycle, Minors, RejectedRule, RetentionRule, Since, Span, When
from storage_service.domain.tiering import Tier, Tiers

_CONDITIONS: Final = ("site", "modality", "description")
_FOR_EVER: Final = "forever"
_MOST: Final = {"years": 1_000, "days": 365_000}
GRACE: Final = 30
"""Days between hiding and removing, where a rule does not say."""


class BadLifecycle(ValueError):
    """FJ_LIFECYCLE does not fit; names the rule and what was expected."""

    phi_free: ClassVar[bool] = True  # the log may print the text: the file is an operator's


def load_lifecycle(path: Path | None) -> Lifecycle:
    """How long studies are kept; no path, no rules. Raises BadLifecycle."""
    sections = _sections(path)
    return Lifecycle(
        retention=tuple(_retention(*entry) for entry in _rules(sections, "retention")),
        rejected=tuple(_rejected(*entry) for entry in _rules(sections, "rejected")),
    )


def load_tiers(path: Path | None) -> Tiers:
    """Where packs lie; no path, no tiers. Raises BadLifecycle."""
    return Tiers(tuple(_tier(*entry) for entry in _rules(_sections(path), "tiers")))


def _sections(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
        raise BadLifecycle(f"FJ_LIFECYCLE {path}: {reason}") from None
    return _fields(content, f"FJ_LIFECYCLE {path}", optional=("retention", "rejected", "tiers"))


def _rules(sections: Mapping[str, Any], section: str) -> list[tuple[object, str]]:
    entries = sections.get(section) or []
    if not isinstance(entries, list):
        raise BadLifecycle(f"{section}: a list of rules expected, a {type(entries).__name__} found")
    named = [(entry, f"{section} {_name(entry, section)}") for entry in entries]
    if len({where for _, where in named}) < len(named):
        raise BadLifecycle(f"{section}: two rules have one name")
    return named


def _name(entry: object, section: str) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        raise BadLifecycle(f"{section}: each rule has a name")
    return name


def _retention(entry: object, where: str) -> RetentionRule:
    rule = _fields(entry, where, ("name", "keep"), ("when", "since", "minors", "grace"))
    keep = None if rule["keep"] == _FOR_EVER else _span(rule["keep"], f"{where}: keep")
    return RetentionRule(
        rule["name"], _when(rule, where), keep, _since(rule, where), _grace(rule, where), _minors(rule, where)
    )


def _rejected(entry: object, where: str) -> RejectedRule:
    rule = _fields(entry, where, ("name", "codes", "after"), ("when", "grace"))
    codes = _texts(rule["codes"], f"{where}: codes")
    if unknown := set(codes) - set(Code):
        raise BadLifecycle(f"{where}: codes may have {', '.join(sorted(Code))}, not {min(unknown)}")
    after = _span(rule["after"], f"{where}: after")
    return RejectedRule(rule["name"], frozenset(codes), after, _grace(rule, where), _when(rule, where))


def _tier(entry: object, where: str) -> Tier:
    rule = _fields(entry, where, ("name", "after", "to"), ("when", "since"))
    to = _fields(rule["to"], f"{where}: to", ("bucket",), ("storage_class",))
    bucket, storage_class = to["bucket"], to.get("storage_class")
    if not isinstance(bucket, str) or not isinstance(storage_class, str | None):
        raise BadLifecycle(f"{where}: to: bucket and storage_class are texts")
    span = _span(rule["after"], f"{where}: after")
    return Tier(rule["name"], bucket, _when(rule, where), span, _since(rule, where), storage_class)


def _since(rule: Mapping[str, Any], where: str) -> Since:
    since = rule.get("since", Since.STUDY.value)
    if since not in set(Since):
        raise BadLifecycle(f"{where}: since is one of {', '.join(Since)}")
    return Since(since)


def _minors(rule: Mapping[str, Any], where: str) -> Minors | None:
    if "minors" not in rule:
        return None
    minors = _fields(rule["minors"], f"{where}: minors", ("majority", "keep"))
    majority = _number(minors["majority"], f"{where}: minors: majority", 150)
    return Minors(majority, _span(minors["keep"], f"{where}: minors: keep"))


def _grace(rule: Mapping[str, Any], where: str) -> timedelta:
    """At least a day: whoever misses a study has to notice."""
    grace = _fields(rule.get("grace", {"days": GRACE}), f"{where}: grace", ("days",))
    days = _number(grace["days"], f"{where}: grace: days", _MOST["days"])
    if not days:
        raise BadLifecycle(f"{where}: grace: at least one day")
    return timedelta(days=days)


def _when(rule: Mapping[str, Any], where: str) -> When:
    asked = _fields(rule.get("when") or {}, f"{where}: when", optional=_CONDITIONS)
    texts = {key: _texts(value, f"{where}: {key}") for key, value in asked.items()}
    return When(
        sites=frozenset(texts.get("site", ())),
        modalities=frozenset(texts.get("modality", ())),
        descriptions=tuple(texts.get("description", ())),
    )


def _span(value: object, where: str) -> Span:
    """`{years: 10}`, `{days: 30}`, or both."""
    parts = _fields(value, where, optional=tuple(_MOST))
    if not parts:
        raise BadLifecycle(f"{where}: years or days expected")
    return Span(**{unit: _number(number, f"{where}: {unit}", _MOST[unit]) for unit, number in parts.items()})


def _number(value: object, where: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadLifecycle(f"{where}: a whole number from 0 to {most} expected")
    return value


def _fields(
    value: object, where: str, needed: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """What stands there, if it has these fields and no others: a rule that is misread removes the wrong studies."""
    if not isinstance(value, dict):
        raise BadLifecycle(f"{where}: {', '.join((*needed, *optional))} expected")
    if missing := [field for field in needed if field not in value]:
        raise BadLifecycle(f"{where}: {missing[0]} is missing")
    if unknown := sorted(map(str, set(value) - {*needed, *optional})):
        raise BadLifecycle(f"{where}: may have {', '.join((*needed, *optional))}, not {unknown[0]}")
    return value


def _texts(value: object, where: str) -> list[str]:
    """One text or a list of them."""
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(one, str) and one for one in texts):
        raise BadLifecycle(f"{where}: a text or a list of texts expected")
    return [str(one) for one in texts]
