"""What the HL7 doors of several services share: settings, senders' sites, kept messages, explanations."""

from fj_doors.commands import explain_command
from fj_doors.explaining import Subject
from fj_doors.http import messages_router
from fj_doors.keeper import Keeper
from fj_doors.locations import location_of
from fj_doors.reloading import profiles_watch
from fj_doors.rereading import rereading_router
from fj_doors.senders import instant, site_of
from fj_doors.settings import DoorSettings

__all__ = [
    "DoorSettings",
    "Keeper",
    "Subject",
    "explain_command",
    "instant",
    "location_of",
    "messages_router",
    "profiles_watch",
    "rereading_router",
    "site_of",
]
