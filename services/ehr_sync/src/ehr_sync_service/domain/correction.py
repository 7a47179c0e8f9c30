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
    """A delivery of a report, or of a plan."""

    delivery: Delivery
    told: bool
    """It is on its way at least: what it says of the patient is written."""
    named: UUID | None = None
    """The patient whom its message names; absent before that is written."""
    misnamed: bool = False
    """That is not, or not any more, the patient of its order."""


def misnamed(results: Iterable[Result], unsure: UUID | None) -> dict[UUID, list[Result]]:
    """Those of the reports whose newest word that is told names somebody else, by whom. `results`: in order of writing.

    `unsure`: whom a message may name that is being written this instant.
    """
    reports: dict[tuple[str, UUID | None], list[Result]] = {}
    for each in results:
        if each.delivery.withdrawn_from is None:
            reports.setdefault(_of(each), []).append(each)
    found: dict[UUID, list[Result]] = {}
    for versions in reports.values():
        newest = next((each for each in reversed(versions) if each.told), None)
        whom = _whom(newest, unsure) if newest else None
        if whom is not None:
            found.setdefault(whom, []).extend(versions)
    return found


def corrections(
    results: Iterable[Result], former: PatientPhi, cause: Envelope, receivers: Iterable[Receiver], now: datetime
) -> Iterator[Delivery]:
    """What destinations are told of the results of an order that is not `former`'s. `results`: in order of writing.

    What is not on its way yet will name the right patient by itself.
    """
    wanted = {receiver.name: receiver for receiver in receivers}
    reports: dict[tuple[str, UUID | None], list[Result]] = {}
    for each in results:
        if each.delivery.report and each.delivery.withdrawn_from is None:
            reports.setdefault(_of(each), []).append(each)
    for (destination, report_id), versions in reports.items():
        told = [each.delivery.fact for each in versions if each.told]
        if not told or destination not in wanted or isinstance(told[-1], ReportRetracted):
            continue
        receiver, fact = wanted[destination], told[-1]
        taken_back = write(TELLINGS[ReportRetracted], fact, part(cause, f"{report_id} withdrawn"), receiver, now)
        yield replace(taken_back, withdrawn_from=former)
        if versions[-1].told:  # else a newer version follows
            yield write(telling_of(fact), fact, part(cause, str(report_id)), receiver, now)


def _whom(told: Result, unsure: UUID | None) -> UUID | None:
    if told.delivery.message is None:
        return unsure
    return told.named if told.misnamed else None


def _of(result: Result) -> tuple[str, UUID | None]:
    """To whom it goes, and of which report."""
    delivery = result.delivery
    return delivery.destination, delivery.report[0] if delivery.report else None


def part(cause: Envelope, name: str) -> Envelope:
    """One cause makes several deliveries, each with its own ids."""
    return replace(cause, id=uuid5(cause.id, name))
