"""What can be set: environment variables with the prefix PATIENT_, and those that the installation shares."""

from fj_runtime import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Settings of `patient`."""

    model_config = SettingsConfigDict(env_prefix="PATIENT_")

    http_port: int = 8091
    mllp_host: str = "127.0.0.1"
    mllp_port: int = 2576
    """ADT."""
    mllp_retention_days: int = Field(default=90, ge=1)
    """How long received messages are kept; after that the same message again would count as new."""
