"""What the HL7 doors of several services share: senders' profiles and sites, settings, explanations."""

from fj_doors.commands import explain_command
from fj_doors.explaining import Subject
from fj_doors.senders import instant, site_of
from fj_doors.settings import DoorSettings

__all__ = ["DoorSettings", "Subject", "explain_command", "instant", "site_of"]
