"""Real servers on free ports, service processes, and waiting with deadlines, for tests."""

from fj_testing.beside import beside
from fj_testing.eventually import PATIENCE, eventually
from fj_testing.feed import Feed
from fj_testing.log import Log, Record
from fj_testing.merging import (
    has_followed,
    has_followed_link,
    joined,
    merged,
    moved_with,
    parted,
    person,
    unmerged,
    visits_followed,
)
from fj_testing.orthanc import orthanc
from fj_testing.processes import PATIENT_NAMESPACE, ServiceProcess, Services
from fj_testing.stack import S3, Stack

__all__ = [
    "PATIENCE",
    "PATIENT_NAMESPACE",
    "S3",
    "Feed",
    "Log",
    "Record",
    "ServiceProcess",
    "Services",
    "Stack",
    "beside",
    "eventually",
    "has_followed",
    "has_followed_link",
    "joined",
    "merged",
    "moved_with",
    "orthanc",
    "parted",
    "person",
    "unmerged",
    "visits_followed",
]
