"""Settings of a service that has an HL7 door."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from fj_hl7 import Profiles, Seal
from fj_runtime import ServiceSettings, Sites
from pydantic import Field, SecretStr, field_validator, model_validator


class DoorSettings(ServiceSettings):
    """What every HL7 door has. A subclass says on which port."""

    mllp_host: str = "127.0.0.1"
    mllp_retention_days: int = Field(default=90, ge=1)
    """How long received messages are kept; after that the same message again would count as new."""
    hl7_keys: SecretStr = Field(validation_alias="FJ_HL7_KEYS")
    """Keys that messages are sealed under at rest: 32 bytes in base64, separated by commas; the first one seals."""
    hl7_profiles: Path | None = Field(default=None, validation_alias="FJ_HL7_PROFILES")
    """YAML file, or folder of such files, of site profiles; absent: all senders write as the standard says."""

    @field_validator("hl7_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        Seal.parse(value.get_secret_value())
        return value

    @property
    def seal(self) -> Seal:
        """What messages are sealed by."""
        return Seal.parse(self.hl7_keys.get_secret_value())

    @property
    def keep(self) -> timedelta:
        """How long received messages are kept."""
        return timedelta(days=self.mllp_retention_days)

    @model_validator(mode="after")
    def _profiles_can_be_read(self) -> Self:
        self.load_profiles()
        return self

    def load_profiles(self) -> Profiles:
        """The site profiles. Raises BadProfile."""
        return Profiles.load(self.hl7_profiles, {site.name for site in Sites.load(self.sites)})
