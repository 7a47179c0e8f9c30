"""What the doors count. Labels are names of ours, never text of a message."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

MESSAGES: Final = Counter("fj_hl7_messages_total", "Messages answered.", ["door", "kind", "code"])
ANSWER_SECONDS: Final = Histogram(
    "fj_hl7_answer_seconds",
    "From the last byte of a message to its answer.",
    ["door"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
REPEATED: Final = Counter("fj_hl7_repeated_total", "Messages answered from the ledger: the same bytes again.", ["door"])
REUSED_IDS: Final = Counter("fj_hl7_reused_control_ids_total", "Known control id, other bytes.", ["door"])
IRREGULAR: Final = Counter("fj_hl7_irregular_messages_total", "Read in spite of a fault.", ["door", "fault"])
FAULTS: Final = Counter("fj_hl7_faults_total", "Connections cut, frames not answered.", ["door", "fault"])
SKIPPED_BYTES: Final = Counter("fj_hl7_skipped_bytes_total", "Bytes outside of frames.", ["door"])
CONNECTIONS: Final = Gauge("fj_hl7_connections", "Open MLLP connections.", ["door"])
