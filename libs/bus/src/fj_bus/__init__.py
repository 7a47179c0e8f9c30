"""The event backbone: units of work, consumers and relays on Kafka and PostgreSQL, wrapped once."""

from fj_bus.access import KafkaAccess
from fj_bus.asked import Asked, Call
from fj_bus.bus import Bus
from fj_bus.commands import bus_commands
from fj_bus.consumer import Consumer
from fj_bus.errors import (
    BadAccess,
    BadKey,
    BusError,
    ConsumersRunning,
    NoSuchDeadLetter,
    NotAConsumer,
    NotAProducer,
    Permanent,
    Stranger,
    TopicMismatch,
    Transient,
)
from fj_bus.health import Health
from fj_bus.lag import Lag, lag_of
from fj_bus.postgres import Connection
from fj_bus.rebuild import Rebuilt, alone, rebuild
from fj_bus.relay import Relay
from fj_bus.routes import awaiting_operator_router, operator_router
from fj_bus.settings import BusSettings
from fj_bus.topics import create_topics
from fj_bus.tx import Tx
from fj_bus.work import Batch

__all__ = [
    "Asked",
    "BadAccess",
    "BadKey",
    "Batch",
    "Bus",
    "BusError",
    "BusSettings",
    "Call",
    "Connection",
    "Consumer",
    "ConsumersRunning",
    "Health",
    "KafkaAccess",
    "Lag",
    "NoSuchDeadLetter",
    "NotAConsumer",
    "NotAProducer",
    "Permanent",
    "Rebuilt",
    "Relay",
    "Stranger",
    "TopicMismatch",
    "Transient",
    "Tx",
    "alone",
    "awaiting_operator_router",
    "bus_commands",
    "create_topics",
    "lag_of",
    "operator_router",
    "rebuild",
]
