"""What can be set: environment variables with the prefix PORTAL_, and those that the installation shares."""

from fj_runtime import ServiceSettings
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Settings of `portal`."""

    model_config = SettingsConfigDict(env_prefix="PORTAL_")

    http_port: int = 8099
    viewer: str = "http://127.0.0.1:8081"
    """Origin of the OHIF viewer, for links."""
