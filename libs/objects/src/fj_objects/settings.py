"""Where the object store is and how to get in."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class S3Settings(BaseSettings):
    """An S3-compatible store; environment variables `FJ_S3_…`. The secret has no default."""

    model_config = SettingsConfigDict(env_prefix="FJ_S3_", frozen=True)

    endpoint: str = "http://127.0.0.1:18333"
    bucket: str = "filmjacket"
    access_key: str
    secret_key: SecretStr
    region: str = "us-east-1"
    timeout_s: float = 30.0
    """Of one request; a part of a multipart upload is one request."""

    abort_uploads_days: int = Field(default=7, ge=1)
    """After which the store removes the parts of an upload that nobody has finished."""

    retry_s: float = 10.0
    """How long the client itself repeats a failing request before it says so."""
