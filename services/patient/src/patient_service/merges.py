"""When somebody says that two numbers are one patient's, or undoes that, or a number is given out again: do this."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from fj_events import PatientFollowed, PatientMergeCompleted, PatientPhi, PatientRegistered, Source

from patient_service import learning
from patient_service.domain import facts, following, reuse
from patient_service.domain import merge as domain
from patient_service.domain.errors import NoSuchPatient, NotMerged, SamePatient
from patient_service.domain.facts import Act
from patient_service.domain.merge import Merge, MergeNews, Number, Whose
from patient_service.domain.patient import News, Patient, identifiers, renamed, told_before, without
from patient_service.ports import Merges, Patients

_GIVEN_AGAIN: Final = "the number was given to somebody else"


async def merge(news: MergeNews, patients: Patients, merges: Merges) -> None:
    """Two numbers are one patient's (A40, A34, A36 …), or a patient got a new one (A47).

    Numbers that nobody announced are registered as provisional: the announcement may be on its way.
    """
    number, survivor_id = news.prior.patient_id, news.survivor.patient_id
    if number == survivor_id:
        raise SamePatient
    await merges.lock()
    known = await merges.of(number)
    prior = await _named(news.prior, known, patients)
    await _named(news.survivor, await merges.of(survivor_id), patients)
    said = domain.told(known, Merge(patient_id=number, into=survivor_id, at=news.at, renames=news.renames))
    if said != known:
        await merges.save(said)
        if news.renames and not known.is_of_former(news.at):
            await _take_along(number, news.at, lambda survivor: renamed(survivor, prior), patients, merges)
        act = Act(news.survivor.site, news.survivor.source, "the numbers before it were merged otherwise")
        await _keep(said, act, patients, merges)


async def announce_along(news: News, patients: Patients, merges: Merges) -> None:
    """What was so before a number was changed (A47), and is told after it, is told of who has the new number."""
    for survivor_id in await _take_along(news.patient_id, news.at, partial(told_before, news=news), patients, merges):
        act = Act(news.site, news.source, _GIVEN_AGAIN)
        for each in await merges.into(survivor_id):
            await _keep(each, act, patients, merges)


async def unmerge(
    patient_id: UUID, reason: str, patients: Patients, merges: Merges, survivor_id: UUID | None = None
) -> None:
    """A person undoes the last merge of a number, or the one into this survivor. Raises NoSuchPatient, NotMerged.

    Where the number was given to somebody else since, who had it before stands for themselves, without a number.
    """
    await merges.lock()
    patient = await patients.by_id(patient_id)
    if patient is None:
        raise NoSuchPatient
    known = await merges.of(patient_id)
    found = domain.undoable(known, survivor_id)
    if found is None:
        raise NotMerged
    merge_, holder = found
    await merges.save(domain.undone(known, merge_))
    await _let_go(holder.survivor, patient, patients)
    await _settle(patient_id, Act(patient.site, Source.HTTP, reason), patients, merges)


async def keep_announcement(news: News, before: Patient | None, merges: Merges) -> bool:
    """Keep what the registration system said of a number. `before`: as it was known till then. False: it is no news."""
    kept = reuse.announcement(news, before)
    if kept is not None:
        await merges.keep_announcement(news.patient_id, kept)
    return kept is not None


async def look_for_reuse(news: News, patients: Patients, merges: Merges) -> None:
    """After an announcement: the number may have been given to somebody else, and so may those merged into it."""
    known = await merges.of(news.patient_id)
    act = Act(news.site, news.source, _GIVEN_AGAIN)
    if known.merges:
        await _keep(known, act, patients, merges, news)
    for each in await merges.into(news.patient_id):
        await _keep(each, act, patients, merges)


async def on_followed(
    followed: PatientFollowed, followed_fact: UUID | None, patients: Patients, merges: Merges
) -> None:
    """A room has followed a merge or unmerge: after the last one of them all doors answer alike, and that is said.

    Who followed a fact that another one has replaced since then will follow that one too.
    """
    known = await merges.following(followed.patient_id)
    if known is None or known.fact_id != followed_fact:
        return
    now = following.followed(known, followed.room)
    await merges.save_following(now)
    if now.completed and not known.completed:
        fact = PatientMergeCompleted(
            site=now.site, patient_id=now.patient_id, survivor_id=now.survivor_id, rooms=tuple(sorted(now.rooms))
        )
        patients.emit(fact)


async def _take_along(
    number: UUID, at: datetime, told: Callable[[Patient], Patient], patients: Patients, merges: Merges
) -> list[UUID]:
    """Tell it of all who got a new number in place of this one at this instant or later. Who is known otherwise now."""
    changed: list[UUID] = []
    for renaming in (await merges.of(number)).renamings(at):
        if (await merges.of(renaming.into)).is_of_former(renaming.at):
            continue
        before = await learning.known(renaming.into, patients)
        now = await learning.update(before, told(before), patients)
        if now != before:
            onward = await _take_along(renaming.into, renaming.at, told, patients, merges)
            changed += [renaming.into, *onward]
    return changed


async def _named(news: News, known: Number, patients: Patients) -> Patient:
    """Whom a merge names: what it says of who had the number before is nothing of who has it now."""
    if known.is_of_former(news.at):
        return await learning.known(news.patient_id, patients)
    return await learning.mention(news, patients)


async def _keep(known: Number, act: Act, patients: Patients, merges: Merges, heard: News | None = None) -> None:
    """Keep what was said of a number, and whether it was given to somebody else since. `heard` was learned last."""
    survivors = {each: await _survivor_then(each, patients, merges) for each in known.merges}
    now = reuse.reused(known, survivors, await merges.announcements(known.patient_id))
    await merges.save(now)
    await _settle(now.patient_id, act, patients, merges)
    if now.since is not None and now.since != known.since:
        patient = await learning.known(now.patient_id, patients)
        for tenure in now.tenures():
            if tenure.until is not None and tenure.merge is not None:
                await _let_go(tenure.merge.into, patient, patients)
        # Words from a sender whose clock is ahead were taken for words of this instant.
        begins = heard.at if heard is not None and heard.registered_at == now.since else now.since
        await learning.update(patient, reuse.since(patient, begins), patients)


async def _survivor_then(merge_: Merge, patients: Patients, merges: Merges) -> PatientPhi:
    """Who had the survivor's number when the merge was made."""
    into = await merges.of(merge_.into)
    place = into.place(merge_.at)
    if place < len(into.reused):
        start = into.reused[place - 1] if place else None
        return reuse.as_announced(await merges.announcements(merge_.into), start, into.reused[place])
    return (await learning.known(merge_.into, patients)).details


async def _settle(number: UUID, act: Act, patients: Patients, merges: Merges) -> None:
    """State, for every number that hangs together with this one, whose it is now, where others know it otherwise."""
    known = await merges.of(number)
    chain = await merges.around([number, *(each.survivor for each in known.stated)])
    whose = domain.whose(chain)
    touched: set[UUID] = set()
    for each in chain:
        now = whose.get(each.patient_id, ())
        if each.stated == now:
            continue
        patient = await learning.known(each.patient_id, patients)
        survivors = {holder.survivor: await _survivor(holder.survivor, chain, patients, merges) for holder in now}
        fact = facts.moved(each, now, act, patient, survivors)
        await merges.save(replace(each, stated=now))
        await merges.save_following(facts.to_follow(fact, patients.emit(fact)))
        touched.update(holder.survivor for holder in (*each.stated, *now))
    for survivor_id in sorted(touched):
        await _gather(survivor_id, chain, whose, patients)


async def _survivor(survivor_id: UUID, chain: Sequence[Number], patients: Patients, merges: Merges) -> Patient:
    """The end of a chain. Who had a number before, and has no other one, is registered when that is first said."""
    found = await patients.by_id(survivor_id)
    if found is not None:
        return found
    number, start, until = domain.tenure_of(survivor_id, chain)
    holder = await learning.known(number.patient_id, patients)
    details = reuse.as_announced(await merges.announcements(number.patient_id), start, until)
    former = Patient(
        patient_id=survivor_id,
        site=holder.site,
        provisional=details == PatientPhi(),
        source=holder.source,
        details=details.model_copy(update={"id": holder.details.id}),
    )
    await patients.add(former)
    patients.emit(PatientRegistered(**facts.state_of(former)))
    return former


async def _gather(
    survivor_id: UUID, chain: Sequence[Number], whose: Mapping[UUID, Sequence[Whose]], patients: Patients
) -> None:
    """The survivor has the numbers that were merged into it; others learn them from its state."""
    survivor = await learning.known(survivor_id, patients)
    ours = [each.patient_id for each in chain if Whose(survivor_id) in whose.get(each.patient_id, ())]
    numbers = [number for each in ours for number in identifiers(await learning.known(each, patients))]
    await learning.update(survivor, replace(survivor, merged_ids=tuple(dict.fromkeys(numbers))), patients)


async def _let_go(survivor_id: UUID, patient: Patient, patients: Patients) -> None:
    """The survivor may have been told the number in its own messages too: it is not its own any more."""
    survivor = await learning.known(survivor_id, patients)
    if patient.details.id is not None:
        await learning.update(survivor, without(survivor, [patient.details.id]), patients)
