"""A merge is undone: what was matched by it is matched no longer, and the rules look again (decision 23)."""

from collections.abc import Mapping
from uuid import UUID

from fj_events import LinkAct, PatientMerged, PatientPhi, PatientUnmerged, StudyRelinked

from storage_service.domain.exceptional import of_parted
from storage_service.domain.keys import OrderKeys
from storage_service.domain.parting import Parted, rested
from storage_service.domain.study import UNMERGED, Study
from storage_service.handlers import Work, settle
from storage_service.ports.parting import Partings


async def on_patient_parted(
    moved: PatientMerged | PatientUnmerged, former: Mapping[UUID, PatientPhi], partings: Partings, work: Work
) -> None:
    """A number left somebody with whom it counted as one. What persons said stays; what rules found must hold without.

    Where it does not, the study is where it would be had the merge never been: at another order, unmatched, or
    unconfirmed. A merge that is made again makes its match again.
    """
    ids = moved.holders | former.keys()
    matched = [study for study in await work.studies.get(await partings.matched(ids)) if study.is_matched_by_rule]
    if not matched:
        return
    orders = await partings.orders([study.study_instance_uid for study in matched])
    candidates = await work.studies.candidates([study.keys for study in matched])
    parted = Parted(ids, (moved.patient, *former.values(), *await partings.registered(ids)))

    def is_doubted(study: Study) -> bool:
        uid = study.study_instance_uid
        return uid in orders and rested(study.matched_by, study.keys, orders[uid], candidates.get(uid, ()), parted)

    doubted = [study for study in matched if is_doubted(study)]
    for study in doubted:
        fact = _relinked(study, orders[study.study_instance_uid], moved.actor)
        await work.studies.report(fact, of_parted(fact))
    await work.studies.save([study.parted() for study in doubted])
    await settle([study.study_instance_uid for study in doubted], work)


def _relinked(study: Study, own: OrderKeys, actor: str | None) -> StudyRelinked:
    return StudyRelinked(
        site=study.site,
        actor=actor,
        study_instance_uid=study.study_instance_uid,
        previous_order_id=own.order_id,
        previous_accession_number=own.accession_number,
        patient_id=study.patient_id,
        accession_number=study.accession_number,
        act=LinkAct.UNMERGE,
        reason=UNMERGED,
    )
