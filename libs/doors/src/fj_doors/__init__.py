"""What the HL7 doors of several services share: senders' profiles and sites, settings, explanations."""

from fj_doors.senders import instant, site_of
from fj_doors.settings import DoorSettings

__all__ = ["DoorSettings", "instant", "site_of"]
