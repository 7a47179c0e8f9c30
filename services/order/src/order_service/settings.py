"""What can be set: environment variables with the prefix ORDER_, and those that the installation shares."""

from fj_doors import DoorSettings
from fj_runtime import Destinations
from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict


class Settings(DoorSettings):
    """Settings of `order`."""

    model_config = SettingsConfigDict(env_prefix="ORDER_")

    http_port: int = 8092
    mllp_port: int = 2575
    """ORM^O01, OMG^O19, OMI^O23."""
    early_wait_hours: int = Field(default=24, ge=1)
    """How long a change or cancel waits for its order, before a person has to see it."""
    destinations: str = Field(default="", validation_alias="EHR_SYNC_HL7_DESTINATIONS")
    """Whom `ehr_sync` delivers to: an order completes when all that want results have the newest final report."""

    @field_validator("destinations")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        Destinations.parse(value)
        return value

    @property
    def wanted_by(self) -> tuple[str, ...]:
        """The names of the destinations that want results."""
        return tuple(entry.name for entry in Destinations.parse(self.destinations).wanting("results"))
