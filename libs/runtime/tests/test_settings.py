"""Settings: checked once, one clear line per wrong one, secrets never shown."""

from pathlib import Path

import pytest
from fj_runtime import ServiceSettings, SettingsError, load_settings
from fj_runtime.settings import describe_settings, is_loopback, service_name
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

NAMESPACE = "7c0e1f0e-0c56-4b36-9f0d-8f5b9ad3d3aa"


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="DEMO_")

    http_port: int = 8092
    quiet_time: float = 60


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DEMO_POSTGRES", "postgresql://demo:s3cret@127.0.0.1:15432/demo")
    monkeypatch.setenv("FJ_PATIENT_NAMESPACE", NAMESPACE)
    return monkeypatch


def wrong() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(Settings)
    return str(caught.value).splitlines()


def test_own_and_shared_variables_are_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DEMO_HTTP_PORT", "9001")
    environment.setenv("FJ_KAFKA", "broker:9092")
    environment.setenv("FJ_SITES", "/etc/sites.yaml")
    settings = load_settings(Settings)
    assert (settings.http_port, settings.kafka, settings.sites) == (9001, "broker:9092", Path("/etc/sites.yaml"))
    assert settings.postgres.get_secret_value().endswith("/demo")


def test_an_empty_variable_is_the_default(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FJ_KAFKA", "")
    environment.setenv("FJ_OTLP_ENDPOINT", "")
    settings = load_settings(Settings)
    assert (settings.kafka, settings.otlp_endpoint) == ("127.0.0.1:19092", None)


def test_every_wrong_setting_has_its_line(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DEMO_POSTGRES")
    environment.setenv("FJ_PATIENT_NAMESPACE", "s3cret")
    environment.setenv("DEMO_HTTP_PORT", "many")
    environment.setenv("DEMO_LOG_LEVEL", "LOUD")
    lines = wrong()
    assert {line.partition(":")[0] for line in lines} == {
        "DEMO_POSTGRES",
        "FJ_PATIENT_NAMESPACE",
        "DEMO_HTTP_PORT",
        "DEMO_LOG_LEVEL",
    }
    assert "DEMO_POSTGRES: is missing" in lines
    assert "FJ_PATIENT_NAMESPACE: must be a UUID" in lines
    assert "s3cret" not in "".join(lines)


def test_a_dsn_of_another_kind_is_refused_without_showing_it(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DEMO_POSTGRES", "mysql://demo:s3cret@127.0.0.1/demo")
    assert wrong() == ["DEMO_POSTGRES: must begin with postgresql://"]


@pytest.mark.parametrize(
    ("issuer", "audience", "reason"),
    [
        ("https://id.example.org", None, "FJ_OIDC_AUDIENCE must be set where FJ_OIDC_ISSUER is"),
        ("http://id.example.org", "fj", "FJ_OIDC_ISSUER must be an https address (http only on loopback)"),
        ("id.example.org", "fj", "FJ_OIDC_ISSUER must be an https address (http only on loopback)"),
    ],
)
def test_an_issuer_must_be_whole_and_safe(
    environment: pytest.MonkeyPatch, issuer: str, audience: str | None, reason: str
) -> None:
    environment.setenv("FJ_OIDC_ISSUER", issuer)
    if audience:
        environment.setenv("FJ_OIDC_AUDIENCE", audience)
    assert wrong() == [f"settings: {reason}"]


def test_settings_are_frozen_and_take_no_unknown_names(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(Settings)
    with pytest.raises(ValidationError):
        settings.http_port = 1  # type: ignore[misc] # the point of the test
    with pytest.raises(ValidationError):
        Settings.model_validate({"htp_port": 1})


def test_they_can_be_built_by_name_in_tests() -> None:
    dsn = SecretStr("postgresql://a@b/c")
    settings = Settings(postgres=dsn, patient_namespace=SecretStr(NAMESPACE), kafka="k:1", http_port=5)
    assert (settings.kafka, settings.http_port) == ("k:1", 5)


def test_the_shared_name_wins_over_the_services_own(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DEMO_KAFKA", "own:1")
    environment.setenv("KAFKA", "nobody:1")
    assert load_settings(Settings).kafka == "own:1"
    environment.setenv("FJ_KAFKA", "shared:1")
    assert load_settings(Settings).kafka == "shared:1"


def test_the_description_shows_names_and_hides_secrets(environment: pytest.MonkeyPatch) -> None:
    text = describe_settings(load_settings(Settings))
    assert "DEMO_QUIET_TIME=60.0" in text.splitlines()
    assert "FJ_KAFKA=127.0.0.1:19092" in text.splitlines()
    assert "DEMO_POSTGRES=**********" in text.splitlines()
    assert NAMESPACE not in text
    assert "s3cret" not in text


def test_the_service_is_named_by_its_prefix(environment: pytest.MonkeyPatch) -> None:
    assert service_name(load_settings(Settings)) == "demo"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - what must not count as loopback
        ("10.0.0.1", False),
        ("::ffff:127.0.0.1", True),
        ("example.org", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback_is_this_machine_only(host: str | None, expected: bool) -> None:
    assert is_loopback(host) is expected
