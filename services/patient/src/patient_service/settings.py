"""What can be set: environment variables with the prefix PATIENT_, and those that the installation shares."""

from fj_doors import DoorSettings
from pydantic_settings import SettingsConfigDict


class Settings(DoorSettings):
    """Settings of `patient`."""

    model_config = SettingsConfigDict(env_prefix="PATIENT_")

    http_port: int = 8091
    mllp_port: int = 2576
    """ADT."""
