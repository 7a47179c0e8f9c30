"""What the bus counts. Labels are names of ours: services, topics, types, classes. Never a key or an id."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

FACTS: Final = Counter(
    "fj_bus_facts_total", "Facts taken from the log by outcome", ["consumer", "topic", "type", "outcome"]
)
SLICES: Final = Histogram(
    "fj_bus_slice_seconds",
    "From begin to commit of a slice",
    ["consumer"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
SLICE_FACTS: Final = Histogram(
    "fj_bus_slice_facts", "Facts that shared a transaction", ["consumer"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
RETRIES: Final = Counter(
    "fj_bus_retries_total", "Slices or facts rolled back, by class of error", ["consumer", "error"]
)
DEAD: Final = Counter("fj_bus_dead_letters_total", "Facts given up, by class of error", ["consumer", "topic", "error"])
HELD: Final = Gauge("fj_bus_held_facts", "Facts held by state: parked, behind, gap, dead", ["consumer", "state"])
LAG: Final = Gauge("fj_bus_lag_facts", "Facts on the log not yet taken", ["consumer", "topic", "partition"])
LOG_AGE: Final = Histogram(
    "fj_bus_fact_age_seconds",
    "From ce_time to the commit of its effects",
    ["consumer"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
STOPPED: Final = Gauge("fj_bus_consumer_stopped", "1 after a consumer met its ceiling of dead letters", ["consumer"])

PUBLISHED: Final = Counter("fj_bus_published_total", "Facts moved from the outbox to the log", ["service", "topic"])
FOUND: Final = Counter(
    "fj_bus_found_on_log_total", "Facts that a look at the log's tail found there already", ["service", "topic"]
)
LOOKUPS: Final = Counter("fj_bus_lookups_total", "Partitions whose tail was read for unknown outcomes", ["service"])
PRODUCERS: Final = Counter("fj_bus_producers_total", "Kafka producers started", ["service"])
OWNED: Final = Gauge("fj_bus_owned_partitions", "Partition numbers that this relay owns", ["service"])
OUTBOX_AGE: Final = Gauge("fj_bus_outbox_age_seconds", "Age of the oldest fact that is not on the log", ["service"])
