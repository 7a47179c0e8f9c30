"""What the door understands of an ADT message, name by name."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from fj_hl7 import Message
from fj_runtime import Sites

from patient_service.domain.patient import News
from patient_service.entrypoints.adt import Reader
from patient_service.entrypoints.mllp import LINKS, MERGES, MOVES, RENUMBERS, REPLACES
from patient_service.entrypoints.pv1 import happened


def understood(sites: Sites, namespace: UUID, message: Message) -> Iterator[Mapping[str, object]]:
    """Each patient, or pair of patients, of the message. Raises Refusal."""
    adt = Reader.of(message, sites, namespace)
    if message.kind in MOVES:
        yield from (
            {
                **_names(news.holder),
                "prior": news.prior.details.id,
                "kind": news.visit.kind,
                "number": news.visit.number,
                "at": news.at,
            }
            for news in adt.moves()
        )
    elif message.kind in MERGES:
        yield from ({**_names(news.survivor), "prior": news.prior.details.id, "at": news.at} for news in adt.merges())
        yield from (
            {
                "kind": news.visit.kind,
                "prior": news.visit.number,
                "number": news.renumbering.number,
                "at": news.renumbering.at,
            }
            for news in adt.merged_accounts()
        )
    elif message.kind in LINKS:
        yield from (
            {**_names(news.one), "other": news.other.details.id, "linked": news.linked, "at": news.at}
            for news in adt.links()
        )
    elif message.kind in RENUMBERS:
        news = adt.renumbered()
        yield {
            **_names(adt.news()),
            "kind": news.visit.kind,
            "prior": news.visit.number,
            "number": news.renumbering.number,
            "at": adt.at,
            **_visit(adt),
        }
    elif message.kind in REPLACES:
        replaced = adt.replaced_numbers()
        yield {**_names(adt.news()), **({"replaced": replaced} if replaced else {}), **_visit(adt)}
    else:
        yield {**_names(adt.news()), "at": adt.at, **_visit(adt)}


def _visit(adt: Reader) -> dict[str, object]:
    """What happened in the visit, where the message says that."""
    heard = happened(adt)
    if heard is None:
        return {}
    event = heard.event
    return {
        "visit_number": heard.visit.number,
        "patient_class": event.patient_class,
        "location": event.location and event.location.display,
        "prior_location": event.prior_location and event.prior_location.display,
    }


def _names(news: News) -> dict[str, object]:
    said = {name: value for name, value in news.details if name != "id" and value}
    return {"site": news.site, "patient_id": news.details.id, **said}
