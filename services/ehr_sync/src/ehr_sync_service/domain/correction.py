"""Results that were told of somebody who is not the patient of their order any more: taken back there, told anew."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

from fj_events import Envelope, PatientPhi, ReportRetracted

from ehr_sync_service.domain.delivery import Delivery, write
from ehr_sync_service.domain.telling import TELLINGS, Receiver, telling_of


class Result(NamedTuple):
    """A delivery of a report."""

    delivery: Delivery
    told: bool
    """It is on its way at least: what it says of the patient is written."""


def corrections(
    results: Iterable[Result], former: PatientPhi, cause: Envelope, receivers: Iterable[Receiver], now: datetime
) -> Iterator[Delivery]:
    """What destinations are told of the results of an order that is not `former`'s. `results`: in order of writing.

    What is not on its way yet will name the right patient by itself.
    """
    wanted = {receiver.name: receiver for receiver in receivers}
    reports: dict[tuple[str, UUID], list[Result]] = {}
    for each in results:
        if each.delivery.report and each.delivery.withdrawn_from is None:
            reports.setdefault((each.delivery.destination, each.delivery.report[0]), []).append(each)
    for (destination, report_id), versions in reports.items():
        told = [each.delivery.fact for each in versions if each.told]
        if not told or destination not in wanted or isinstance(told[-1], ReportRetracted):
            continue
        receiver, fact = wanted[destination], told[-1]
        taken_back = write(TELLINGS[ReportRetracted], fact, _part(cause, f"{report_id} withdrawn"), receiver, now)
        yield replace(taken_back, withdrawn_from=former)
        if versions[-1].told:  # else a newer version follows
            yield write(telling_of(fact), fact, _part(cause, str(report_id)), receiver, now)


def _part(cause: Envelope, name: str) -> Envelope:
    """One cause makes several deliveries, each with its own ids."""
    return replace(cause, id=uuid5(cause.id, name))
