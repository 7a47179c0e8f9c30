"""What can be set: environment variables with the prefix REPORTING_, and those that the installation shares."""

from fj_doors import DoorSettings
from pydantic_settings import SettingsConfigDict


class Settings(DoorSettings):
    """Settings of `reporting`."""

    model_config = SettingsConfigDict(env_prefix="REPORTING_")

    http_port: int = 8096
    mllp_port: int = 2577
    """ORU^R01, MDM^T02."""
