"""Settings of the bus: `FJ_BUS_…`, with defaults for all but the broker's address."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from fj_bus.access import KafkaAccess


class BusSettings(BaseSettings):
    """How a process uses Kafka and its outbox. `main` builds it: `BusSettings(kafka=…, topic_prefix=…)`.

    Every field but these two may come from the environment, `FJ_BUS_<FIELD>`.
    """

    model_config = SettingsConfigDict(frozen=True, env_prefix="FJ_BUS_", extra="ignore", env_ignore_empty=True)

    kafka: str
    """Bootstrap servers, `host:port[,host:port]`."""
    topic_prefix: str = ""
    """Stands before every topic and group name, so that installations can share a cluster."""

    access: KafkaAccess = Field(default_factory=KafkaAccess.load)
    """Encryption and login, from FJ_KAFKA_…."""

    lanes: int = Field(default=4, ge=1, le=32)
    """Slices that a consumer works on at once; each needs a pool connection while it does."""
    slice_size: int = Field(default=200, ge=1, le=1000)
    """Most facts of one partition that share a transaction."""
    slice_seconds_max: float = Field(default=30, gt=0)
    """A slice or a single fact that needs longer is rolled back and repeated."""
    session_timeout_ms: int = Field(default=10_000, ge=1000)
    """After which Kafka gives a dead consumer's partitions to others."""
    group_instance_id: str | None = None
    """Static membership (KIP-345): a name of this replica that survives its restart. None: an ordinary member."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a new group begins. `latest` leaves out what is there already, knowingly."""

    backoff_first_s: float = Field(default=0.1, gt=0)
    backoff_max_s: float = Field(default=5, gt=0)
    """Pauses between tries double from first to max, jittered by half. What comes back is noticed within the last."""
    tries: int = Field(default=3, ge=1)
    """Tries of a fact whose failure is neither permanent nor transient, before it is a dead letter."""
    dead_run: int = Field(default=20, ge=1)
    """Dead letters one after the other at which the consumer stops."""
    dead_ratio: float = Field(default=0.2, gt=0, le=1)
    """Share of dead letters among the last `dead_window` facts at which the consumer stops."""
    dead_window: int = Field(default=200, ge=1)

    park_s_max: float = Field(default=86_400, gt=0)
    """After which a parked fact, or one behind a gap, becomes a dead letter."""
    park_look_s: float = Field(default=60, gt=0)
    """First look at a parked fact that nobody woke; each later one comes after as long again as it has waited."""
    sweep_s: float = Field(default=2, gt=0)
    """How often held facts that are due are looked for without being told."""
    stuck_s: float = Field(default=30, gt=0)
    """Without a poll, progress or success for this long, a part reports itself unhealthy."""

    hint_ms: int = Field(default=5, ge=0)
    """Least time between two wake-up calls to relays in other processes."""
    relay_poll_s: float = Field(default=0.5, gt=0)
    """How often a relay looks without being called."""
    relay_pause_ms: int = Field(default=10, ge=0)
    """Least time between two looks: what is committed meanwhile goes together."""
    relay_batch: int = Field(default=200, ge=1)
    """Most facts of one partition that are on their way at once."""
    relay_share_s: float = Field(default=1, gt=0)
    """How often replicas look whether their shares of the partitions are fair."""
    send_deadline_s: float = Field(default=3, gt=0)
    """From reading a fact out of the outbox: after this its sending is given up and its outcome looked up."""
    request_timeout_ms: int = Field(default=2000, ge=100)
    """Of one request to Kafka; after it and the deadline, nothing of a dead owner can still arrive."""
