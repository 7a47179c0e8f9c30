"""How a process gets into Kafka: encryption, and who it is. `FJ_KAFKA_…`, the same for every process of a service."""

import ssl
from typing import Any, Final, Literal, Self

from pydantic import FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fj_bus.errors import BadAccess

_PREFIX: Final = "FJ_KAFKA_"


class KafkaAccess(BaseSettings):
    """Neither encrypted nor named by default, as on the local stack.

    A certificate of our own (mutual TLS) works with `SSL`, a name and a password with `SASL_SSL`.
    """

    model_config = SettingsConfigDict(frozen=True, env_prefix=_PREFIX, extra="ignore", env_ignore_empty=True)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """`SASL_PLAINTEXT` is for trusted wires: what is said there can be read, with `PLAIN` the password too."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ca_file: FilePath | None = None
    """PEM: whom to trust as a broker. Absent: whom this machine trusts."""
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    """PEM: our own certificate and its key, where the brokers ask for one. The key may stand in `cert_file` too."""

    @classmethod
    def load(cls) -> Self:
        """From the environment. Raises BadAccess with one line per wrong setting, without its value."""
        try:
            return cls()
        except ValidationError as error:
            lines = [_line(item["loc"], item["msg"]) for item in error.errors(include_input=False, include_url=False)]
            raise BadAccess("\n".join(lines)) from None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.is_named and (self.sasl_username is None or self.sasl_password is None):
            raise ValueError(f"{self.security_protocol} needs FJ_KAFKA_SASL_USERNAME and FJ_KAFKA_SASL_PASSWORD")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("FJ_KAFKA_KEY_FILE needs FJ_KAFKA_CERT_FILE")
        return self

    @property
    def is_encrypted(self) -> bool:
        """Whether there is TLS."""
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def is_named(self) -> bool:
        """Whether we log in with a name and a password."""
        return self.security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    @property
    def options(self) -> dict[str, Any]:
        """What every aiokafka client is given. Files are read anew each time: certificates are renewed."""
        options: dict[str, Any] = {"security_protocol": self.security_protocol, "ssl_context": self.tls}
        if self.is_named:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.password,
            }
        return options

    @property
    def password(self) -> str:
        """In the clear, for those who log in with it."""
        return self.sasl_password.get_secret_value() if self.sasl_password else ""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Brokers are verified, and by their names."""
        if not self.is_encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise BadAccess(f"the files of {_PREFIX}CA_FILE, CERT_FILE, KEY_FILE: {type(error).__name__}") from error
        return context


def _line(location: tuple[int | str, ...], message: str) -> str:
    name = f"{_PREFIX}{location[0]}".upper() if location else ""
    return ": ".join(filter(None, (name, message.removeprefix("Value error, "))))
