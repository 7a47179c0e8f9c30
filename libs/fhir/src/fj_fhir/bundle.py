"""Search results: a Bundle of type searchset, in pages (R4 section 3.1.1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fj_fhir.checking import check
from fj_fhir.search import Search
from fj_fhir.terms import Json, compact

_MATCH_GRADE: Final = "http://hl7.org/fhir/StructureDefinition/match-grade"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what a search found; each match has passed `check`."""

    matches: Sequence[Json]
    total: int | None
    """How many there are on all pages; None where they were not counted."""
    more: bool = False
    """Whether there is another page."""


def searchset(root: str, search: Search, page: Page) -> Json:
    """The Bundle of a page. `root` is the address of the resource type as the client sees it: `…/fhir/Patient`."""
    links = [{"relation": "self", "url": _url(root, search, search.offset)}]
    if page.more:
        links.append({"relation": "next", "url": _url(root, search, search.offset + search.count)})
    head = {"resourceType": "Bundle", "type": "searchset", "total": page.total, "link": links}
    bundle = check("Bundle", compact(head))
    entries = [
        {"fullUrl": f"{root}/{match['id']}", "resource": match, "search": {"mode": "match"}} for match in page.matches
    ]
    return {**bundle, "entry": entries} if entries else bundle


@dataclass(frozen=True, slots=True)
class Graded:
    """A Patient that may be who was asked for; `resource` has passed `check`."""

    resource: Json
    grade: str
    """certain, probable, possible."""
    score: float
    """From 0 to 1."""


def matchset(root: str, found: Sequence[Graded]) -> Json:
    """The answer of Patient/$match: a searchset, the likeliest first (R4 Patient-match)."""
    entries = [
        {
            "fullUrl": f"{root}/{each.resource['id']}",
            "resource": each.resource,
            "search": {
                "extension": [{"url": _MATCH_GRADE, "valueCode": each.grade}],
                "mode": "match",
                "score": each.score,
            },
        }
        for each in found
    ]
    bundle = check("Bundle", {"resourceType": "Bundle", "type": "searchset", "total": len(found)})
    return {**bundle, "entry": entries} if entries else bundle


def _url(root: str, search: Search, offset: int) -> str:
    query = [*search.used, *([("_offset", str(offset))] if offset else [])]
    return f"{root}?{urlencode(query)}" if query else root
