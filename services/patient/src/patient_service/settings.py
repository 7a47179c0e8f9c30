"""What can be set: environment variables with the prefix PATIENT_, and those that the installation shares."""

from importlib import resources
from pathlib import Path

import yaml
from fj_doors import DoorSettings
from fj_runtime import SettingsError
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from patient_service.domain.matching import Rules


class Settings(DoorSettings):
    """Settings of `patient`."""

    model_config = SettingsConfigDict(env_prefix="PATIENT_")

    http_port: int = 8091
    mllp_port: int = 2576
    """ADT."""
    matching: Path | None = None
    """The rules of the matcher, a YAML file; without one `matching.yaml` of this package."""
    public_url: str | None = None
    """How clients reach the gateway, for addresses in FHIR resources; absent: as each request names it."""


def load_rules(path: Path | None) -> Rules:
    """How likely two records are of one person. Raises SettingsError naming file, place and reason."""
    source = path or resources.files("patient_service") / "matching.yaml"
    try:
        return Rules.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"PATIENT_MATCHING {source}: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
        raise SettingsError("\n".join(f"PATIENT_MATCHING {source}: {line}" for line in lines)) from None
