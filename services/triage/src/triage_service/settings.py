"""What can be set: environment variables with the prefix TRIAGE_, and those that the installation shares."""

from pathlib import Path

from fj_runtime import ServiceSettings
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """Settings of `triage`."""

    model_config = SettingsConfigDict(env_prefix="TRIAGE_")

    http_port: int = 8098
    rules: Path | None = None
    """YAML file of rules; without one those of `config/rules.yaml` hold."""
