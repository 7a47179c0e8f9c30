"""The procedure catalogue from its YAML file."""

from importlib.resources import files
from pathlib import Path

import yaml
from fj_runtime import SettingsError
from pydantic import ValidationError

from scheduling_service.domain.catalogue import Catalogue


def load_catalogue(path: Path | None) -> Catalogue:
    """Read the file; without one, the catalogue that comes with the service. Raises SettingsError."""
    file = files("scheduling_service").joinpath("catalogue.yaml") if path is None else path
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Catalogue.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
        raise SettingsError(f"SCHEDULING_CATALOGUE {file}: {reason}") from None
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        lines = (f"{'.'.join(map(str, fault['loc'])) or 'catalogue'}: {fault['msg']}" for fault in faults)
        raise SettingsError("\n".join(f"SCHEDULING_CATALOGUE {file}: {line}" for line in lines)) from None
