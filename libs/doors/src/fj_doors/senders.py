"""Whose message it is, and when it was said."""

from datetime import datetime

from fj_hl7 import DTM, Message
from fj_runtime import Site, Sites


def site_of(message: Message, sites: Sites) -> Site:
    """The site of a message's sender, with its own time zone and issuers where its profile says so."""
    profile = message.profile
    site = sites.of_sender(*message.sender) if profile.site is None else sites[profile.site]
    if profile.time_zone is None and not profile.issuers:
        return site
    issuers = site.issuers.model_copy(update=dict(profile.issuers))
    return site.model_copy(update={"issuers": issuers, "time_zone": profile.time_zone or site.time_zone})


def instant(time: DTM, site: Site) -> datetime:
    """A time of a message; without an offset it is in the zone of its site."""
    return time.at if time.at.tzinfo else site.localize(time.at)
