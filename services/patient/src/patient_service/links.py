"""When somebody says that two numbers stand for one person, or do not, and when the rooms have followed: do this."""

from uuid import UUID

from fj_events import LinkBasis, PatientLinkCompleted, PatientLinkFollowed

from patient_service.domain import facts, following
from patient_service.domain import link as domain
from patient_service.domain.errors import NoSuchPatient
from patient_service.domain.link import ByHand, Link, LinkNews
from patient_service.learning import mention
from patient_service.ports import Links, Patients


async def link(news: LinkNews, patients: Patients, links: Links) -> None:
    """Two numbers stand for one person (A24), or no longer do (A37); both stay in use."""
    for each in (news.one, news.other):
        await mention(each, patients)
    pair = news.one.patient_id, news.other.patient_id
    reason = "the registration system said so"
    said = domain.link(pair, linked=news.linked, at=news.at, basis=LinkBasis.MESSAGE, reason=reason)
    await state_link(said, news.one.site, patients, links)


async def link_by_hand(act: ByHand, patients: Patients, links: Links) -> None:
    """A person links two numbers, or takes them apart: that is the newest word. Raises NoSuchPatient, SamePatient."""
    said = domain.link(act.pair, linked=act.linked, at=act.at, basis=LinkBasis.USER, reason=act.reason)
    known = [await patients.by_id(number) for number in said.pair]
    if known[0] is None or known[1] is None:
        raise NoSuchPatient
    await links.lock()
    before = await links.of(*said.pair)
    await state_link(domain.after(before, said), known[0].site, patients, links)


async def state_link(said: Link, site: str, patients: Patients, links: Links) -> None:
    """Keep a statement about two numbers, and state the person of each number that stands for another one now."""
    await links.lock()
    known = await links.of(*said.pair)
    if domain.newest(known, said) == known:
        return
    await links.save(said)
    around = await links.around(said.pair)
    persons = domain.persons(around)
    numbers = {number for each in around for number in each.pair}
    told = await links.persons(numbers)
    for number in sorted(numbers):
        if persons.get(number) != told.get(number):
            await links.save_person(number, persons.get(number))
            fact = facts.stands_for(number, persons.get(number), said, site)
            await links.save_following(facts.link_to_follow(fact, patients.emit(fact)))


async def on_followed(
    followed: PatientLinkFollowed, followed_fact: UUID | None, patients: Patients, links: Links
) -> None:
    """A room has followed a link or unlink: after the last one of them all doors answer alike, and that is said.

    Who followed a fact that another one has replaced since then will follow that one too.
    """
    known = await links.following(followed.patient_id)
    if known is None or known.fact_id != followed_fact:
        return
    now = following.link_followed(known, followed.room)
    await links.save_following(now)
    if now.completed and not known.completed:
        fact = PatientLinkCompleted(
            site=now.site, patient_id=now.patient_id, enterprise_id=now.enterprise_id, rooms=tuple(sorted(now.rooms))
        )
        patients.emit(fact)
