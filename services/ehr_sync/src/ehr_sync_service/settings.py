"""What can be set: environment variables with the prefix EHR_SYNC_, and those that the installation shares."""

from collections.abc import Mapping
from datetime import timedelta

from fj_events import DeliveryKind
from fj_runtime import Destinations, ServiceSettings
from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from ehr_sync_service.domain.delivery import Policy
from ehr_sync_service.domain.telling import Receiver


class Settings(ServiceSettings):
    """Settings of `ehr_sync`."""

    model_config = SettingsConfigDict(env_prefix="EHR_SYNC_")

    http_port: int = 8097
    hl7_destinations: str = ""
    """Whom to deliver to: `name=host:port[/kind+kind][@version]`, separated by commas."""
    sending_application: str = Field(default="FILMJACKET", min_length=1, max_length=20)
    """MSH-3 of what is sent; MSH-4 is the site."""
    connections: int = Field(default=4, ge=1, le=64)
    """Most connections to one destination. With 1, a message that hangs holds up all others to it."""
    answer_seconds: float = Field(default=15, gt=0)
    """How long an acknowledgement is waited for."""
    backoff_first_seconds: float = Field(default=1, gt=0)
    backoff_max_seconds: float = Field(default=60, gt=0)
    """Pauses between attempts double from first to max, jittered by half."""
    age_max_hours: float = Field(default=72, gt=0)
    """After which a delivery that keeps failing is abandoned."""
    refusals_max: int = Field(default=5, ge=1)
    """Refusals (AE, AR) after which a delivery is abandoned."""
    ledger_retention_days: int = Field(default=90, ge=1)
    """How long a delivery that is delivered or given up is kept."""
    poll_seconds: float = Field(default=0.5, gt=0)
    """How often the ledger is looked at without a hint."""
    public_url: str | None = None
    """How clients reach the gateway, for addresses in FHIR resources; absent: as each request names it."""
    read_patience_seconds: float = Field(default=1, ge=0, le=10)
    """How long a FHIR read of an unknown id waits for its fact, which may be on its way from `order`."""

    @field_validator("hl7_destinations")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        Destinations.parse(value)
        return value

    @property
    def destinations(self) -> Destinations:
        return Destinations.parse(self.hl7_destinations)

    @property
    def wishes(self) -> Mapping[DeliveryKind, tuple[Receiver, ...]]:
        """The destinations that want each kind."""
        wanting = self.destinations.wanting
        return {
            kind: tuple(Receiver(entry.name, entry.version) for entry in wanting(kind.value)) for kind in DeliveryKind
        }

    @property
    def keep(self) -> timedelta:
        return timedelta(days=self.ledger_retention_days)

    @property
    def policy(self) -> Policy:
        return Policy(
            backoff_first=timedelta(seconds=self.backoff_first_seconds),
            backoff_max=timedelta(seconds=self.backoff_max_seconds),
            age_max=timedelta(hours=self.age_max_hours),
            refusals_max=self.refusals_max,
        )
