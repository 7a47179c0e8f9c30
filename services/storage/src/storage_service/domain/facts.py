"""What `storage` says of a study."""

from typing import Any, Final

from fj_events import InstancesStored, SeriesSummary, StudyAvailable, StudyMatched, StudyReceived, StudyUnmatched

from storage_service.domain.assembly import Complete
from storage_service.domain.matching import Match
from storage_service.domain.rejection import Shown
from storage_service.domain.study import Study

SERIES_IN_A_FACT: Final = 1000
"""More series than this would not fit into an event (law 7); their number stands beside them."""


def available(study: Study, verdict: Complete, series: list[SeriesSummary]) -> StudyAvailable:
    """The study is there to be read."""
    return StudyAvailable(
        completeness=verdict.completeness,
        reason=verdict.reason,
        expected_instances=verdict.expected_instances,
        last_evidence_at=verdict.last_evidence_at,
        **counted(study, series),
    )


def matched(study: Study, found: Match) -> StudyMatched:
    """It belongs to this order."""
    order = found.order
    return StudyMatched(
        site=study.site,
        study_instance_uid=study.study_instance_uid,
        order_id=order.order_id,
        patient_id=order.patient_id,
        accession_number=order.accession_number,
        matched_by=found.matched_by,
        reason=found.reason,
        ordered_study_instance_uid=order.study_instance_uid,
    )


def received(fact: InstancesStored) -> StudyReceived:
    """Its first instance is here."""
    return StudyReceived(
        site=fact.site,
        study_instance_uid=fact.study_instance_uid,
        patient_id=fact.patient_id,
        accession_number=fact.accession_number,
        modalities=(fact.series.modality,) if fact.series.modality else (),
        study_date=fact.study.study_date,
        description=fact.study.description,
        patient=fact.patient,
        station_ae_title=fact.calling_ae_title,
        received_at=fact.received_at,
    )


def unmatched(study: Study) -> StudyUnmatched:
    """It belongs to no order that we know of."""
    return StudyUnmatched(
        site=study.site,
        study_instance_uid=study.study_instance_uid,
        patient_id=study.patient_id,
        accession_number=study.accession_number,
        reason=study.unmatched_reason or "",
        contradicted_by=study.contradicted_by,
        unconfirmed_order_id=study.unconfirmed_order_id,
    )


def shown_now(shown: Shown) -> dict[str, Any]:
    """What facts about what is hidden say of what is left."""
    return {
        "number_of_instances": shown.after,
        "number_of_series": len(shown.series),
        "series": shown.series[:SERIES_IN_A_FACT],
    }


def counted(study: Study, series: list[SeriesSummary]) -> dict[str, Any]:
    """What facts about a whole study say of it."""
    return {
        "site": study.site,
        "study_instance_uid": study.study_instance_uid,
        "order_id": study.order_id,
        "patient_id": study.order_patient_id or study.patient_id,
        "accession_number": study.accession_number,
        "modalities": study.modalities,
        "study_date": study.study_date,
        "description": study.description,
        "patient": study.patient,
        "series": tuple(series[:SERIES_IN_A_FACT]),
        "number_of_series": study.number_of_series,
        "number_of_instances": study.number_of_instances,
    }
