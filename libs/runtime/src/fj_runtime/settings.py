"""Settings of a service: environment variables, checked once at start, frozen after that."""

from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fj_runtime.errors import SettingsError

Port = Annotated[int, Field(ge=1, le=65535)]
LOCALHOST: Final = "127.0.0.1"


class ServiceSettings(BaseSettings):
    """What every service has. A subclass sets its prefix and a default for `http_port`, and adds its own fields.

    A field is read from `<PREFIX><FIELD>`; those that all services of an installation share, first from their
    fixed names, `FJ_…`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True, env_ignore_empty=True)

    postgres: SecretStr
    """DSN of the service's own database and role, `postgresql://role:password@host:port/database`."""
    postgres_pool_max: int = Field(default=10, ge=1, le=200)
    """Most connections that this process keeps. It starts with one."""
    http_host: str = LOCALHOST
    http_port: Port
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    kafka: str = Field(default=f"{LOCALHOST}:19092", validation_alias="FJ_KAFKA")
    topic_prefix: str = Field(default="", validation_alias="FJ_TOPIC_PREFIX", pattern=r"^[a-z0-9.-]*$")
    sites: Path | None = Field(default=None, validation_alias="FJ_SITES")
    oidc_issuer: str | None = Field(default=None, validation_alias="FJ_OIDC_ISSUER")
    oidc_audience: str | None = Field(default=None, validation_alias="FJ_OIDC_AUDIENCE")
    oidc_roles_claim: str = Field(default="roles", validation_alias="FJ_OIDC_ROLES_CLAIM", min_length=1)
    """Where a token lists the roles of its user; dots lead deeper, `realm_access.roles`."""
    otlp_endpoint: str | None = Field(default=None, validation_alias="FJ_OTLP_ENDPOINT")
    patient_namespace: SecretStr = Field(validation_alias="FJ_PATIENT_NAMESPACE")
    """UUID, a secret of the installation: the namespace of every patient id (UUIDv5)."""

    @field_validator("postgres")
    @classmethod
    def _is_a_dsn(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value

    @field_validator("patient_namespace")
    @classmethod
    def _is_a_uuid(cls, value: SecretStr) -> SecretStr:
        try:
            UUID(value.get_secret_value())
        except ValueError:
            raise ValueError("must be a UUID") from None
        return value

    @model_validator(mode="after")
    def _issuer_is_whole(self) -> Self:
        if self.oidc_issuer is None:
            return self
        if self.oidc_audience is None:
            raise ValueError("FJ_OIDC_AUDIENCE must be set where FJ_OIDC_ISSUER is")
        issuer = urlsplit(self.oidc_issuer)
        if issuer.scheme != "https" and not (issuer.scheme == "http" and is_loopback(issuer.hostname)):
            raise ValueError("FJ_OIDC_ISSUER must be an https address (http only on loopback)")
        return self


S = TypeVar("S", bound=ServiceSettings)


def is_loopback(host: str | None) -> bool:
    """Whether a host, as written in a setting or given by a socket, is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None  # a dual-stack socket's way to say IPv4
    return (mapped or address).is_loopback


def service_name(settings: ServiceSettings) -> str:
    """The service that these are the settings of, by their prefix: `ORDER_` is `order`."""
    return type(settings).model_config.get("env_prefix", "").removesuffix("_").lower()


def load_settings(settings_class: type[S]) -> S:
    """The settings from the environment. Raises SettingsError with one line per wrong setting, without its value."""
    try:
        return settings_class.model_validate({})
    except ValidationError as error:
        lines = [
            f"{_variable(settings_class, item['loc'])}: {_reason(item['type'], item['msg'])}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise SettingsError("\n".join(lines)) from None


def describe_settings(settings: ServiceSettings) -> str:
    """The settings in force, one `VARIABLE=value` per line; secrets as stars."""
    kind = type(settings)
    return "\n".join(f"{_variable(kind, (name,))}={_shown(getattr(settings, name))}" for name in kind.model_fields)


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _reason(kind: str, message: str) -> str:
    return "is missing" if kind == "missing" else message.removeprefix("Value error, ")


def _variable(settings_class: type[ServiceSettings], location: tuple[int | str, ...]) -> str:
    if not location:
        return "settings"
    head, *rest = (str(step) for step in location)
    field = settings_class.model_fields.get(head)
    if field is None:
        name = head  # pydantic reports fixed names as they are
    elif isinstance(field.validation_alias, str):
        name = field.validation_alias
    else:
        name = f"{settings_class.model_config.get('env_prefix', '')}{head}".upper()
    return ".".join((name, *rest))
