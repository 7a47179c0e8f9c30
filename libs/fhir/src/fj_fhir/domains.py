"""Whose numbers a search for patients wants to see in the answer (IHE ITI-78, 3.78.4.1.2.3)."""

from collections.abc import Collection

from fj_fhir.search import Criterion, Search, Token
from fj_fhir.terms import Json, compact, issuer_of


def wanted_domains(search: Search) -> frozenset[str]:
    """The assigning authorities of `identifier=system|,system|`, where no number stands behind any; none: all."""
    return frozenset().union(*(_domains(each) for each in search.criteria if each.name == "identifier"))


def of_domains(resource: Json, domains: Collection[str]) -> Json:
    """The resource with the identifiers of these assigning authorities alone; without any, as it is."""
    if not domains:
        return resource
    kept = [number for number in resource.get("identifier", []) if issuer_of(number.get("system")) in domains]
    return compact({**resource, "identifier": kept})


def _domains(criterion: Criterion) -> frozenset[str]:
    issuers = {value.issuer if isinstance(value, Token) and value.code is None else None for value in criterion.values}
    return frozenset() if None in issuers else frozenset(issuer for issuer in issuers if issuer)
