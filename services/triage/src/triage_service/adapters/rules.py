"""The rule file."""

from importlib import resources
from pathlib import Path

import yaml
from fj_runtime import SettingsError
from pydantic import BaseModel, ConfigDict, ValidationError

from triage_service.domain.rules import Rule


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: tuple[Rule, ...]


def load_rules(path: Path | None) -> tuple[Rule, ...]:
    """The rules of the file, or those that come with the service. Raises SettingsError naming place and reason."""
    source = path if path is not None else resources.files("triage_service") / "config" / "rules.yaml"
    try:
        return _File.model_validate(yaml.safe_load(source.read_text(encoding="utf-8"))).rules
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False))
        raise SettingsError("\n".join(f"TRIAGE_RULES {path}: {line}" for line in lines)) from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"TRIAGE_RULES {path}: {error}") from None
