"""What an SCP counts. Labels hold neither PHI nor anything that a peer can make up."""

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge

ASSOCIATIONS: Final = Counter("fj_dicom_associations_total", "Associations by how they ended", ["scp", "outcome"])
OPEN: Final = Gauge("fj_dicom_open_associations", "Associations open now", ["scp"])
MESSAGES: Final = Counter(
    "fj_dicom_messages_total", "Requests by command and final status", ["scp", "command", "status"]
)
RECEIVED: Final = Counter("fj_dicom_received_bytes_total", "Bytes of received data sets", ["scp"])


@cache
def message(scp: str, command: str, status: int) -> Counter:
    """The counter of one kind of message and outcome; looking it up by its labels takes longer than all it counts."""
    return MESSAGES.labels(scp, command, f"{status:04x}")


@cache
def received(scp: str) -> Counter:
    """The counter of received bytes."""
    return RECEIVED.labels(scp)
