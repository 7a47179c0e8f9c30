"""What ingest counts."""

from typing import Final

from prometheus_client import Counter, Gauge

RECEIVED: Final = Counter("fj_ingest_received_instances_total", "Instances acknowledged, by door", ["door"])
REFUSED: Final = Counter("fj_ingest_refused_instances_total", "Instances refused", ["door", "reason"])
SHIPPED: Final = Counter("fj_ingest_shipped_segments_total", "Segments that left the journal, by outcome", ["outcome"])
FAILED: Final = Counter("fj_ingest_ship_failures_total", "Attempts to ship a segment that failed, by error", ["error"])
JOURNAL_BYTES: Final = Gauge("fj_ingest_journal_bytes", "Disk taken by segments")
JOURNAL_SEGMENTS: Final = Gauge("fj_ingest_journal_segments", "Segments in the journal")
JOURNAL_OLDEST: Final = Gauge("fj_ingest_journal_oldest_seconds", "Age of the oldest segment in the journal")
