"""Whose message it is, and when it was said."""

from datetime import datetime
from functools import lru_cache

from fj_hl7 import DTM, Message
from fj_runtime import Site, Sites


def site_of(message: Message, sites: Sites) -> Site:
    """The site of a message's sender, with its own time zone and issuers where its profile says so."""
    profile = message.profile
    site = sites.of_sender(*message.sender) if profile.site is None else sites[profile.site]
    if profile.time_zone is None and not profile.issuers:
        return site
    return _as_seen(sites, site.name, profile.time_zone, tuple(profile.issuers.items()))


@lru_cache(maxsize=256)
def _as_seen(sites: Sites, name: str, time_zone: str | None, issuers: tuple[tuple[str, str], ...]) -> Site:
    """A site as some of its senders see it."""
    site = sites[name]
    own = site.issuers.model_copy(update=dict(issuers))
    return site.model_copy(update={"issuers": own, "time_zone": time_zone or site.time_zone})


def instant(time: DTM, site: Site) -> datetime:
    """A time of a message; without an offset it is in the zone of its site."""
    return time.at if time.at.tzinfo else site.localize(time.at)
