"""Groups of stations: a step that is scheduled for a group is on the worklist of each of its stations."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from scheduling_service.domain.catalogue import Catalogue
from scheduling_service.domain.worklist import Key, Query


def with_groups(query: Query, catalogue: Catalogue) -> Query:
    """The query of a station finds what is scheduled for its groups too; that of a group, what any of it would find."""
    asked = query.values.get(Key.STATION_AE_TITLE, ())
    titles = _with_groups(asked, query.site, catalogue) if asked else asked
    return query if titles == asked else replace(query, values={**query.values, Key.STATION_AE_TITLE: titles})


def groups_of(ae_title: str, site: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The AE titles under which steps for a station are scheduled: its own, and those of its groups."""
    return (ae_title, *(each.ae_title for each in catalogue.groups_at(site) if ae_title in each.stations))


def _with_groups(asked: tuple[str, ...], site: str, catalogue: Catalogue) -> tuple[str, ...]:
    groups = catalogue.groups_at(site)
    wanted = _like(asked, {title for each in groups for title in (each.ae_title, *each.stations)})
    stations = {title for each in groups for title in each.stations if title in wanted or each.ae_title in wanted}
    theirs = {each.ae_title for each in groups if not stations.isdisjoint(each.stations)}
    return (*asked, *sorted((stations | theirs).difference(asked)))


def _like(asked: Sequence[str], titles: Collection[str]) -> set[str]:
    """The titles that one of those asked for matches (PS3.4 C.2.2.2.4)."""
    wild = re.compile("|".join(re.escape(each).replace(r"\*", ".*").replace(r"\?", ".") for each in asked))
    return {each for each in titles if wild.fullmatch(each)}
